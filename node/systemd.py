"""What systemd is told of the service (sd_notify(3)); nothing where nobody asked."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def notify(*lines: str) -> None:
    """Sends lines such as READY and STATUS=text to the supervisor, if there is one that listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] in ("/", "@"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link, suppress(OSError):
            link.connect("\0" + address[1:] if address[0] == "@" else address)
            link.sendall("\n".join(lines).encode())


def watchdog() -> float:
    """After how many seconds a silent service is killed; 0 where nobody watches."""
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if ours and text.isascii() and text.isdigit() else 0.0
