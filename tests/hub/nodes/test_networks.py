"""The node's own process at the end of a bad network, against the hub itself: counted, frame by frame."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from node.segments import Kind
from node.spool import Spool
from tests.support.fras import ROOT, School
from tests.support.networks import Wire, missing, wired
from tests.support.node_hub import YAML, NodeHub, school_in
from tests.support.numbered_node import SMALLEST

NO_NETWORKS = missing()
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(NO_NETWORKS != "", reason=NO_NETWORKS),
    pytest.mark.slow,
]

CAMERAS = ("lossy", "distant", "unplugged")
CAMERA = '  - {{platform: pi_node, id: {id}, room: "101", hours: always, interval: 0.1 s, watch: 1 s}}\n'
DOOR = '  - {platform: pi_node, id: door, room: "101", hours: always}\n'
PATIENCE = 40.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire() -> AsyncIterator[Wire]:
    async with wired() as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def school_of_nodes(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    """Its hub listens for nodes on the wire only."""
    here = f"host: {wire.near}, port: 0, name: {wire.near}"
    cameras = "".join(CAMERA.format(id=camera) for camera in CAMERAS)
    yaml = YAML.replace("host: 127.0.0.1, port: 0, name: 127.0.0.1", here).replace(DOOR, cameras)
    with school_in(tmp_path_factory.mktemp("nodes"), yaml) as school:
        yield school


@dataclass
class Board:
    """What is at the far end. Pictures are named by their number, which their size tells."""

    hub: NodeHub
    wire: Wire
    camera: str
    folder: Path

    def taken(self) -> int:
        file = self.folder / "taken"
        return file.stat().st_size if file.exists() else 0

    async def at_hub(self) -> list[int]:
        """Those in the ledger, in the order of their numbers."""
        query = text("SELECT bytes FROM frames WHERE camera = :camera ORDER BY bytes")
        async with self.hub.opened.database.read() as connection:
            return [size - SMALLEST for (size,) in await connection.execute(query, {"camera": self.camera})]

    def on_card(self) -> set[int]:
        """Those that a node which does not run has still to tell."""
        spool = Spool(self.folder / "data" / "spool", 10**9)
        entries = iter(lambda: spool.take(10**9), None)
        found = {len(entry.jpeg) - SMALLEST for entry in entries if entry.kind is Kind.FRAME}
        spool.close()
        return found

    async def until_hub_has(self, condition: Callable[[set[int]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(set(await self.at_hub())):
                await asyncio.sleep(0.05)

    async def takes(self, more: int) -> None:
        """Waits for so many more pictures to be taken."""
        wanted = self.taken() + more
        async with asyncio.timeout(PATIENCE):
            while self.taken() < wanted:
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """fras-node, killed at the end."""
        settings = self.folder / "node.yaml"
        settings.write_text(f"camera: {{platform: told}}\ndata: {self.folder / 'data'}\n")
        command = (sys.executable, "-m", "tests.support.numbered_node", *(words or ("run",)), "-c", str(settings))
        process = await asyncio.create_subprocess_exec(
            *self.wire.command(*command),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "RUNTIME_DIRECTORY": str(self.folder / "data"),
                "TAKEN": str(self.folder / "taken"),
            },
        )
        assert process.stderr is not None
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            said = await process.stderr.read()
            await process.wait()
            assert b"Traceback" not in said, said.decode()

    async def counted(self, lives: int) -> None:
        """With the node killed: the hub has nothing twice, and what it has not is on the card.

        Each life of the board may have ended between a picture and its way to the card.
        """
        waiting, known = self.on_card(), await self.at_hub()
        assert len(known) == len(set(known))
        nowhere = set(range(1, self.taken() + 1)) - set(known) - waiting
        assert len(nowhere) <= lives
        assert len(known) < self.taken(), "the fault did not reach it"

    async def arrives(self) -> None:
        """The network works and the node starts anew: all that was on the card gets to the hub, once, and its end."""
        waiting = self.on_card()
        assert waiting
        async with self.running():
            await self.until_hub_has(lambda known: waiting <= known)
            await self.takes(3)
        await self.counted_at_the_end()

    async def counted_at_the_end(self) -> None:
        known = await self.at_hub()
        assert len(known) == len(set(known))
        assert len(set(range(1, self.taken() + 1)) - set(known) - self.on_card()) <= 2
        await self.hub.drained()
        query = text("SELECT count(*) FROM frames WHERE camera = :camera AND outcome = 'pending'")
        async with self.hub.opened.database.read() as connection:
            assert (await connection.execute(query, {"camera": self.camera})).scalar_one() == 0


@asynccontextmanager
async def board(hub: NodeHub, wire: Wire, camera: str, folder: Path) -> AsyncIterator[Board]:
    """Paired and confirmed."""
    wire.heal()
    made = Board(hub, wire, camera, folder)
    invite = await hub.registry.invite(camera, None)
    code = invitation(invite, open_identity(hub.service.data), hub.opened.configured.nodes, await hub.service.where())
    async with made.running("pair") as pairing:
        await pairing.communicate(code.uri().encode())
        assert pairing.returncode == 0
    (node,) = [node for node in await hub.registry.everyone() if node.camera == camera]
    await hub.registry.confirm(node.id)
    try:
        yield made
    finally:
        wire.heal()


async def test_where_three_packets_in_ten_are_lost(hub: NodeHub, wire: Wire, tmp_path: Path) -> None:
    async with board(hub, wire, "lossy", tmp_path) as node:
        async with node.running():
            await node.until_hub_has(lambda known: len(known) > 2)
            wire.loss, lost, before = 0.3, wire.lost, node.taken()
            await node.until_hub_has(lambda known: max(known) > before)
            await node.takes(8)
            assert wire.lost > lost
        await node.counted(lives=1)
        wire.heal()
        await node.arrives()


async def test_where_a_packet_takes_two_seconds(hub: NodeHub, wire: Wire, tmp_path: Path) -> None:
    """What was under way when the node was killed is sent again."""
    async with board(hub, wire, "distant", tmp_path) as node:
        async with node.running():
            await node.until_hub_has(lambda known: len(known) > 2)
            wire.latency, before = 2.0, node.taken()
            await node.until_hub_has(lambda known: max(known) > before)
            await node.takes(5)
        await node.counted(lives=1)
        again = node.on_card() & set(await node.at_hub())
        assert again, "what the hub had, and the node could not know, is on the card, too"
        wire.heal()
        await node.arrives()


async def test_where_the_cable_is_pulled(hub: NodeHub, wire: Wire, tmp_path: Path) -> None:
    """Once it is put back while the node waits, and once the node is killed meanwhile."""
    async with board(hub, wire, "unplugged", tmp_path) as node:
        async with node.running():
            await node.until_hub_has(lambda known: len(known) > 2)
            wire.down()
            known = await node.at_hub()
            await node.takes(10)
            assert len(await node.at_hub()) <= len(known) + 1
            last = node.taken()
            wire.up()
            await node.until_hub_has(lambda known: known >= set(range(1, last + 1)))
            wire.down()
            await node.takes(5)
        await node.counted(lives=1)
        wire.up()
        await node.arrives()
