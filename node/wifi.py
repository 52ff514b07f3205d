"""The Wi-Fi that an invitation brings: the node leaves it in its data folder, and root makes NetworkManager join it.

Each name of a Wi-Fi has a profile of its own, so that a wrong code costs no network that worked: NetworkManager goes
back to it by itself. A code with the same name replaces its password.

The password is in files of mode 0600 alone: never on a command line, in the environment or in the log.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from node import files

FILE: Final = "network.json"
PROFILE: Final = "fras-wifi"
CONNECTIONS: Final = Path("/etc/NetworkManager/system-connections")
LONGEST: Final = 4000
KEPT: Final = 3
"""Profiles of invitations; the oldest go."""


class WifiError(Exception):
    """The text says what is wrong, and nothing of name or password."""


def leave(data: Path, network: tuple[str, str]) -> None:
    """For who may set up networks (deploy/node/fras-node-network.path), where anybody does. Raises OSError."""
    if CONNECTIONS.is_dir():
        files.replace(data / FILE, json.dumps(network).encode())


def keyfile(name: str, password: str) -> str:
    """A profile of NetworkManager (nm-settings-keyfile(5)). Raises WifiError for what no Wi-Fi can have."""
    ssid = name.encode()
    if not 1 <= len(ssid) <= 32:
        raise WifiError("the name of a Wi-Fi has 1 to 32 bytes")
    lines = ["[connection]", f"id={profile_of(name)}", "type=wifi", "autoconnect-retries=0", ""]
    lines += ["[wifi]", "mode=infrastructure", f"ssid={''.join(f'{byte};' for byte in ssid)}", ""]
    if password:
        if not re.fullmatch(r"[ -~]{8,63}|[0-9A-Fa-f]{64}", password):
            raise WifiError("the password of a Wi-Fi has 8 to 63 characters of ASCII")
        secret = password.replace("\\", "\\\\").replace(" ", "\\s")
        lines += ["[wifi-security]", "key-mgmt=wpa-psk", f"psk={secret}", ""]
    return "\n".join([*lines, "[ipv4]", "method=auto", "", "[ipv6]", "method=auto", ""])


def profile_of(name: str) -> str:
    return f"{PROFILE}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def join(data: Path, connections: Path = CONNECTIONS, nmcli: str = "/usr/bin/nmcli") -> None:
    """As root: what the node left becomes a connection, and is removed. Raises WifiError and OSError."""
    try:
        # The folder is the node's, who is trusted with nothing else: no links are followed.
        handle = os.open(data / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as left:  # noqa: PTH123
            content = left.read(LONGEST)
        found = json.loads(content)
        if not (isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)):
            raise WifiError("what the node left is no Wi-Fi")
        name, profile = profile_of(found[0]), keyfile(*found)
    except ValueError:
        raise WifiError("what the node left is no Wi-Fi") from None
    finally:
        (data / FILE).unlink(missing_ok=True)
    files.replace(connections / f"{name}.nmconnection", profile.encode())
    ours = sorted(connections.glob(f"{PROFILE}*.nmconnection"), key=lambda file: file.stat().st_mtime_ns)
    for old in ours[:-KEPT]:
        old.unlink()
    for words in (("reload",), ("up", name)):
        command = [nmcli, "--wait", "45", "connection", *words]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            raise WifiError(f"NetworkManager could not {words[0]} the connection (nmcli said {done.returncode})")


def main() -> int:
    try:
        join(Path(sys.argv[1] if len(sys.argv) > 1 else "/var/lib/fras-node"))
    except (WifiError, OSError) as error:
        sys.stderr.write(f"fras-node: {error.strerror if isinstance(error, OSError) else error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
