"""Where the panel may listen."""

from __future__ import annotations

from ipaddress import ip_address


def this_machine_only(host: str) -> bool:
    """Whether nobody but this machine reaches what listens at `host`, a name or an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
