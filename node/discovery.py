"""Hubs that announce themselves in the local network, for when the address that was learnt does not answer any more.

An announcement proves nothing; the pinned key does. Needs python3-zeroconf; without it nobody is found.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final

SERVICE: Final = "_fras._tcp.local."
"""What a hub's listener for nodes announces itself as."""
MOST: Final = 8
PATIENCE: Final = 30.0
"""Seconds for Python to start on a Pi Zero, and to listen."""


async def search() -> list[tuple[str, int]]:
    """`announced`, by a process of its own: in this one zeroconf would stay for good, with up to five megabytes."""
    if find_spec("zeroconf") is None:
        return []
    pipes: dict[str, Any] = {"stdin": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    command = sys.executable, "-P", __file__
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, **pipes)
    except OSError:
        return []
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
        return [(str(host), int(port)) for host, port in json.loads(said)]
    except (TimeoutError, ValueError):
        return []
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def announced(seconds: float = 3.0) -> list[tuple[str, int]]:
    """Addresses and ports of the hubs heard within so many seconds."""
    try:
        from zeroconf import ServiceStateChange
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
    except ImportError:
        return []
    names: set[str] = set()

    def heard(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if state_change is not ServiceStateChange.Removed and len(names) < MOST:
            names.add(name)

    try:
        radio = AsyncZeroconf()
    except OSError:
        return []
    try:
        browser = AsyncServiceBrowser(radio.zeroconf, SERVICE, handlers=[heard])
        await asyncio.sleep(seconds)
        found = []
        for name in sorted(names):
            info = AsyncServiceInfo(SERVICE, name)
            if await info.async_request(radio.zeroconf, 1000) and info.port:
                found += [(address, info.port) for address in info.parsed_scoped_addresses()]
        await browser.async_cancel()
    finally:
        await radio.async_close()
    return found[:MOST]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(announced())))
