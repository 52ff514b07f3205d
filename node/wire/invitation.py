"""What a QR code tells a node that has never heard of the hub.

    FRAS://HOST:PORT/1/TOKEN/PIN/BACKUP[/NETWORK]

Everything but HOST and PORT is base32 without padding: upper case, digits and `/:.-` are what a QR code packs tightest
(ISO/IEC 18004, alphanumeric mode), and a small code is read from further away. PIN and BACKUP are the SHA-256 of the
hub's present and next public key (DER SubjectPublicKeyInfo); NETWORK is a JSON array [name, password] in UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Final

from .wire import WireError

SHORTEST_TOKEN: Final = 16
"""Bytes of a single-use token, at least: 128 bits."""
PIN: Final = 32
LONGEST: Final = 2000
_SHAPE: Final = re.compile(
    r"FRAS://(?P<host>\[[0-9A-F:.]+\]|[A-Z0-9.-]{1,253}):(?P<port>\d{1,5})/1/"
    r"(?P<token>[A-Z2-7]+)/(?P<pin>[A-Z2-7]{52})/(?P<backup>[A-Z2-7]{52})(?:/(?P<network>[A-Z2-7]+))?"
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Where the hub is (a DNS name or address), by which keys it is known, and the token that it expects once.

    `network` is the name and password of the Wi-Fi that a board without a keyboard is to join, if it needs one.
    """

    host: str
    port: int
    token: bytes = field(repr=False)
    pin: bytes
    backup: bytes
    network: tuple[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.token) < SHORTEST_TOKEN:
            raise WireError(f"a token has at least {SHORTEST_TOKEN} bytes")
        if len(self.pin) != PIN or len(self.backup) != PIN:
            raise WireError(f"a pin has {PIN} bytes")
        if not 0 < self.port < 65536:
            raise WireError("a port is between 1 and 65535")

    def uri(self) -> str:
        """The invitation as a QR code holds it. It is a secret for as long as the token is good."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        parts = [self.token, self.pin, self.backup]
        if self.network is not None:
            parts.append(json.dumps(self.network, ensure_ascii=False, separators=(",", ":")).encode())
        text = "/".join((f"FRAS://{host.upper()}:{self.port}", "1", *map(_base32, parts)))
        if not _SHAPE.fullmatch(text) or len(text) > LONGEST:
            raise WireError("this host or network cannot be written into an invitation")
        return text

    @classmethod
    def of(cls, text: str) -> Invitation:
        """Reads `uri()`. Raises WireError, which says nothing of what the text holds."""
        found = _SHAPE.fullmatch(text.strip().upper()) if len(text) <= LONGEST else None
        if found is None:
            raise WireError("this is no invitation of FRAS")
        network = None
        if found["network"]:
            try:
                name, password = json.loads(_bytes(found["network"]))
            except (ValueError, TypeError, RecursionError):
                raise WireError("the network of this invitation cannot be read") from None
            if not (isinstance(name, str) and isinstance(password, str)):
                raise WireError("the network of this invitation cannot be read")
            network = name, password
        host = found["host"].strip("[]").lower()
        token, pin, backup = (_bytes(found[part]) for part in ("token", "pin", "backup"))
        return cls(host, int(found["port"]), token, pin, backup, network)


def _base32(data: bytes) -> str:
    return base64.b32encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise WireError("this is no invitation of FRAS") from None
