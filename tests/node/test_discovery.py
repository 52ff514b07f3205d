"""Looking for hubs by multicast DNS: the library's own packets, through the loopback interface alone.

tests/hub/nodes/test_discovery.py has hub and node on two machines.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

library = pytest.importorskip("zeroconf.asyncio", reason="there is no zeroconf")

from node.discovery import SERVICE, announced  # noqa: E402
from node.link import Phase  # noqa: E402
from tests.node.conftest import PATIENCE, rigged  # noqa: E402
from tests.support.small_hub import Key, SmallHub, small_hub  # noqa: E402

HERE = "127.0.0.1"
WITHIN = 0.5


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test speaks to the network that this machine is in."""
    monkeypatch.setattr(library, "AsyncZeroconf", partial(library.AsyncZeroconf, interfaces=[HERE]))


@asynccontextmanager
async def saying(key: Key, port: int) -> AsyncIterator[None]:
    """What a hub with that key says of itself, whether it is one or not."""
    name = key.pin.hex()[:8]
    info = library.AsyncServiceInfo(
        SERVICE, f"FRAS {name}.{SERVICE}", port=port, server=f"fras-{name}.local.", parsed_addresses=[HERE]
    )
    radio = library.AsyncZeroconf()
    try:
        await radio.async_register_service(info)
        yield
    finally:
        await radio.async_close()


async def test_every_hub_is_heard_with_its_port(tmp_path: Path) -> None:
    keys = [Key(tmp_path, name) for name in ("one", "other")]
    async with saying(keys[0], 8124), saying(keys[1], 8125), asyncio.timeout(PATIENCE):
        while not {(HERE, 8124), (HERE, 8125)} <= set(await announced(WITHIN)):
            continue


async def test_a_hub_that_moved_is_found_by_what_it_says_and_known_by_its_key(folder: Path, hub: SmallHub) -> None:
    """A stranger says that it is a hub, too, and is told nothing."""
    looking = partial(announced, WITHIN)
    async with rigged(folder / "node", discover=looking) as rig, small_hub(folder) as stranger:
        rig.link.invite(hub.invitation())
        await rig.until(Phase.CONNECTED)
        await hub.kill()
        hub.port = 0
        await hub.start()
        async with saying(stranger.key, stranger.port), saying(hub.key, hub.port):
            frame = await rig.frame()
            await rig.drained()
        assert hub.frames() == [frame]
        assert stranger.connections == 0


async def test_without_the_library_nobody_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    assert await announced(WITHIN) == []


async def test_without_a_network_nobody_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no such device")

    monkeypatch.setattr(library, "AsyncZeroconf", broken)
    assert await announced(WITHIN) == []
