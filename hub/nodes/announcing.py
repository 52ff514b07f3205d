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

SERVICE: Final = "_fras._tcp.local."
STOP_WITHIN: Final = 2.0


@asynccontextmanager
async def announced(identity: Identity, host: str, port: int) -> AsyncIterator[None]:
    """Announces the listener at `host` (empty: every address), without keeping anybody waiting."""
    task = asyncio.create_task(_announce(identity, host, port), name="announcing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _announce(identity: Identity, host: str, port: int) -> None:
    """Until cancelled. Where it cannot be the hub goes on without."""
    from zeroconf import InterfaceChoice, IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    everywhere = not host or ipaddress.ip_address(host).is_unspecified
    name = f"FRAS {identity.pin.hex()[:8]}"  # hubs of one network must differ, and this says nothing that TLS does not
    zeroconf: AsyncZeroconf | None = None
    try:
        zeroconf = AsyncZeroconf(
            interfaces=InterfaceChoice.All if everywhere else [host],
            ip_version=IPVersion.V6Only if ":" in host and not everywhere else IPVersion.V4Only,
        )
        info = AsyncServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=port,
            properties={"v": str(VERSION)},
            server=f"fras-{identity.pin.hex()[:8]}.local.",
            parsed_addresses=await asyncio.to_thread(_addresses) if everywhere else [host],
        )
        await zeroconf.async_register_service(info, allow_name_change=True)
        logger.debug("announced by multicast DNS")
        await asyncio.Event().wait()
    except Exception as error:  # a network without multicast, a firewall, a port in use: nodes have the address anyway
        logger.info("nodes cannot be told by multicast DNS where this hub is: %s", type(error).__name__)
    finally:
        if zeroconf is not None:
            with suppress(Exception):
                async with asyncio.timeout(STOP_WITHIN):
                    await zeroconf.async_close()


def _addresses() -> list[str]:
    """This machine's own IPv4 addresses that others may reach."""
    import ifaddr

    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback] or found
