"""Saying by multicast DNS where nodes come in, so that a node finds a hub whose address changed. Its pins decide."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from node.wire import VERSION

from .identity import Identity

logger = logging.getLogger("fras.nodes")
logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
"""It says with a traceback what it is closed and opened again for: an address that is gone."""

SERVICE: Final = "_fras._tcp.local."
STOP_WITHIN: Final = 2.0
LOOK: Final = 5.0
"""Seconds between two looks at this machine's addresses, and until what failed is tried again."""


@asynccontextmanager
async def announced(identity: Identity, host: str, port: int) -> AsyncIterator[None]:
    """Announces the listener at `host` (empty: every address), without keeping anybody waiting.

    Addresses that this machine gets or loses meanwhile are announced anew.
    """
    task = asyncio.create_task(_announce(identity, host, port), name="announcing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _announce(identity: Identity, host: str, port: int) -> None:
    """Until cancelled. Where it cannot be the hub goes on without, and it is tried again."""
    everywhere = not host or ipaddress.ip_address(host).is_unspecified
    problem = ""
    while True:
        addresses = [host]
        try:
            if everywhere:
                addresses = await asyncio.to_thread(_addresses)
            async with _heard(identity, addresses, None if everywhere else host, port):
                problem = ""
                logger.debug("announced by multicast DNS")
                while True:
                    await asyncio.sleep(LOOK)
                    if everywhere and addresses != await asyncio.to_thread(_addresses):
                        break
        except Exception as error:  # a network without multicast, a firewall, a port in use: nodes have the address
            if problem != (problem := type(error).__name__):
                logger.info("nodes cannot be told by multicast DNS where this hub is: %s", problem)
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def _heard(identity: Identity, addresses: list[str], only: str | None, port: int) -> AsyncIterator[None]:
    """Answers with `addresses` at every interface, or at that of the address `only`. Raises what zeroconf does."""
    from zeroconf import InterfaceChoice, IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    name = f"FRAS {identity.pin.hex()[:8]}"  # hubs of one network must differ, and this says nothing that TLS does not
    zeroconf = AsyncZeroconf(
        interfaces=InterfaceChoice.All if only is None else [only],
        ip_version=IPVersion.V6Only if only is not None and ":" in only else IPVersion.V4Only,
    )
    try:
        info = AsyncServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=port,
            properties={"v": str(VERSION)},
            server=f"fras-{identity.pin.hex()[:8]}.local.",
            parsed_addresses=addresses,
        )
        await zeroconf.async_register_service(info, allow_name_change=True)
        yield
    finally:
        with suppress(Exception):
            async with asyncio.timeout(STOP_WITHIN):
                await zeroconf.async_close()


def _addresses() -> list[str]:
    """This machine's own IPv4 addresses that others may reach."""
    import ifaddr

    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback] or found
