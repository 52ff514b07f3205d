"""What is shown to a node: an invitation as a URI and a QR code, and the name under which it will look for the hub."""

from __future__ import annotations

import io
import socket
from typing import Final

import segno

from hub.failure import Failure
from hub.settings import NodeAccess
from node.wire import Invitation, WireError

from .identity import Identity
from .registry import Invite

SOMEWHERE: Final = ("192.0.2.1", 9)
"""An address of nobody (RFC 5737): which of this machine's own would be used to reach it? Nothing is sent."""


def invitation(
    invite: Invite, identity: Identity, access: NodeAccess, port: int, network: tuple[str, str] | None = None
) -> Invitation:
    """What the QR code holds. Raises Failure where it cannot be written."""
    try:
        found = Invitation(host_name(access), port, invite.token, identity.pin, identity.backup, network)
        found.uri()
    except WireError as error:
        raise Failure(f"there can be no invitation: {error}", hint="set nodes: name: in hub.yaml") from None
    return found


def host_name(access: NodeAccess) -> str:
    """What nodes are told to look for: as configured, else this machine's DNS name, else its address."""
    if access.name:
        return access.name
    name = socket.getfqdn()
    if "." in name and not name.endswith((".local", ".localdomain", ".arpa")) and _leads_outside(name):
        return name
    return access.host if access.host not in ("", "0.0.0.0", "::") else _own_address()  # noqa: S104


def code(invitation: Invitation) -> segno.QRCode:
    """Small, so that a camera reads it from further away; error correction as much as costs no size."""
    return segno.make_qr(invitation.uri(), error="l", boost_error=True)


def as_text(qr: segno.QRCode) -> str:
    """For a terminal, two rows a line."""
    text = io.StringIO()
    qr.terminal(out=text, compact=True)
    return text.getvalue()


def as_svg(qr: segno.QRCode) -> str:
    """For a page: neither style nor script in it."""
    return str(qr.svg_inline(scale=1, omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None))


def _leads_outside(name: str) -> bool:
    """Whether the name is in the DNS, for another address than this machine's loopback."""
    try:
        found = socket.getaddrinfo(name, None)
    except OSError:
        return False
    return any(not str(entry[4][0]).startswith(("127.", "::1")) for entry in found)


def _own_address() -> str:
    for family, address in ((socket.AF_INET, SOMEWHERE), (socket.AF_INET6, ("2001:db8::1", 9))):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as link:
                link.connect(address)
                return str(link.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"
