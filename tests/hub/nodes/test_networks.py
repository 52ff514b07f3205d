"""The node's own process at the end of a bad network, against the hub itself: paired, connected, killed, and counted.

A picture is the node's once its spool has said so; from then on each is at the hub exactly once, or on the card.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import TextClause, text

from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from tests.support.cards import small_card
from tests.support.fras import School
from tests.support.networks import Wire, missing, wired
from tests.support.node_hub import YAML, NodeHub, school_in
from tests.support.node_process import PATIENCE, NumberedPlace

NO_NETWORKS = missing()
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(NO_NETWORKS != "", reason=NO_NETWORKS),
    pytest.mark.slow,
]

CAMERA = '  - {{platform: pi_node, id: {id}, room: "101", hours: always, interval: 0.1 s, watch: 1 s}}\n'
DOOR = '  - {platform: pi_node, id: door, room: "101", hours: always}\n'


@pytest.fixture(scope="module")
def school_of_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """Its hub listens for nodes on every wire."""
    cameras = "".join(CAMERA.format(id=camera) for camera in ("lossy", "distant", "unplugged", "full"))
    yaml = YAML.replace("host: 127.0.0.1", "host: 0.0.0.0").replace(DOOR, cameras)
    with school_in(tmp_path_factory.mktemp("nodes"), yaml) as school:
        yield school


class Board(NumberedPlace):
    """What is at the far end."""

    def __init__(self, hub: NodeHub, wire: Wire, camera: str, folder: Path) -> None:
        super().__init__(folder, wire.command())
        self.hub = hub
        self.wire = wire
        self.camera = camera

    async def at_hub(self) -> list[int]:
        """Those in the ledger, in the order of their numbers."""
        query = text("SELECT bytes FROM frames WHERE camera = :camera ORDER BY bytes")
        async with self.hub.opened.database.read() as connection:
            return [size - self.smallest for (size,) in await connection.execute(query, {"camera": self.camera})]

    async def until_hub_has(self, condition: Callable[[set[int]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(set(await self.at_hub())):
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def paired(self) -> AsyncIterator[None]:
        """Running, paired over the wire as it is, and confirmed; killed at the end."""
        registry, service = self.hub.registry, self.hub.service
        invite = await registry.invite(self.camera, None)
        code = invitation(invite, open_identity(service.data), self.hub.opened.configured.nodes, await service.where())
        async with self.running(), asyncio.timeout(PATIENCE) as patience:
            while not (self.folder / "data" / "status.json").exists():
                await asyncio.sleep(0.05)
            async with self.running("pair") as pairing:  # hands it to the service, which tries for as long as it takes
                assert pairing.stdin is not None
                pairing.stdin.write(replace(code, host=self.wire.near).uri().encode())
                pairing.stdin.close()
                while not (known := [node for node in await registry.everyone() if node.camera == self.camera]):
                    await asyncio.sleep(0.05)
            await registry.confirm(known[0].id)
            patience.reschedule(None)
            yield

    async def arrives(self) -> None:
        """On a good network the node starts anew: all that was on its card gets to the hub, once, and its outcome."""
        self.wire.heal()
        waiting = self.counted(await self.at_hub())
        assert waiting, "the fault did not reach it"
        async with self.running():
            await self.until_hub_has(lambda known: waiting <= known)
            await self.takes(3)
        self.counted(await self.at_hub())
        await self.concluded()

    async def concluded(self) -> None:
        """Waits until each frame of the camera has its outcome."""
        query = text("SELECT count(*) FROM frames WHERE camera = :camera AND outcome = 'pending'")
        async with asyncio.timeout(PATIENCE):
            while await self._count(query):
                await asyncio.sleep(0.1)

    async def _count(self, query: TextClause) -> int:
        async with self.hub.opened.database.read() as connection:
            found: int = (await connection.execute(query, {"camera": self.camera})).scalar_one()
            return found


async def lossy(node: Board) -> None:
    """It connects, pairs, is confirmed and delivers on the bad wire, as in the next."""
    node.wire.loss = 0.33
    async with node.paired():
        await node.until_hub_has(lambda known: len(known) > 2)
        node.wire.down()  # so that something is under way
        await node.takes(3)
    assert node.wire.lost > 0.15 * (node.wire.lost + node.wire.carried)
    await node.arrives()


async def distant(node: Board) -> None:
    """What was under way when the node was killed is sent again."""
    node.wire.latency = 2.0
    async with node.paired():
        await node.until_hub_has(lambda known: len(known) > 2)
    again = node.on_card()[0] & set(await node.at_hub())
    assert again, "what the hub had, and the node could not know, is on the card, too"
    await node.arrives()


async def unplugged(node: Board) -> None:
    """Once it is put back while the node waits, and once the node is killed meanwhile."""
    async with node.paired():
        await node.until_hub_has(lambda known: len(known) > 2)
        node.wire.down()
        last = node.taken()
        await node.takes(10)
        assert max(await node.at_hub()) <= last
        kept = node.kept()
        node.wire.up()
        await node.until_hub_has(lambda known: known >= kept)
        node.wire.down()
        await node.takes(5)
    await node.arrives()


async def full(node: Board) -> None:
    """Others leave the card room for a few pictures, while the hub is away: the oldest go, and are counted."""
    with small_card(node.folder / "data") as card:
        node.smallest = 40_000
        async with node.paired():
            await node.until_hub_has(lambda known: len(known) > 2)
            node.wire.down()
            (card / "hog").write_bytes(bytes(shutil.disk_usage(card).free - 10 * node.smallest))
            await node.takes(30)
            node.wire.heal()
            last = node.taken()
            await node.until_hub_has(lambda known: max(known) > last)
        given_up = node.on_card()[1].total()
        assert given_up > 15
        node.counted(await node.at_hub(), given_up)
        await node.concluded()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(
    hub: NodeHub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """All at once, each on a wire of its own: they wait nearly all of the time."""
    async with AsyncExitStack() as stack:
        started = {}
        for story in (lossy, distant, unplugged, full):
            wire = await stack.enter_async_context(wired())
            node = Board(hub, wire, story.__name__, tmp_path_factory.mktemp(story.__name__))
            started[story.__name__] = asyncio.create_task(story(node))
        yield started
        for task in started.values():
            task.cancel()
        await asyncio.gather(*started.values(), return_exceptions=True)


async def test_where_three_packets_in_ten_are_lost(stories: dict[str, asyncio.Task[None]]) -> None:
    await stories["lossy"]


async def test_where_a_packet_takes_two_seconds(stories: dict[str, asyncio.Task[None]]) -> None:
    await stories["distant"]


async def test_where_the_cable_is_pulled(stories: dict[str, asyncio.Task[None]]) -> None:
    await stories["unplugged"]


async def test_where_the_card_is_full(stories: dict[str, asyncio.Task[None]]) -> None:
    await stories["full"]
