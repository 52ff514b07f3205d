"""A hub's process is killed in the middle of a frame that a node's process sends it over a slow wire."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.app import Paths, open_school
from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from hub.nodes.registry import Registry
from tests.support.facts import asked
from tests.support.fras import School
from tests.support.node_hub import YAML, school_in
from tests.support.node_process import PATIENCE, NumberedPlace
from tests.support.running import free_port, running
from tests.support.slow_wire import SlowWire

SMALLEST = 250_000
RATE = 4e6
QUIET = 0.1
"""Seconds without a byte on the wire after which nothing is under way."""
INTERVAL = "interval: 0.5 s, watch: 1 s"

pytestmark = pytest.mark.slow


class Node(NumberedPlace):
    """At the camera `door` of the school's hub."""

    def __init__(self, school: School, wire: SlowWire, folder: Path) -> None:
        super().__init__(folder, smallest=SMALLEST)
        self.school = school
        self.wire = wire

    def at_hub(self) -> list[int]:
        """Those in the ledger, in the order of their numbers."""
        rows = asked(self.school.folder, "SELECT bytes FROM frames WHERE camera = 'door' ORDER BY bytes")
        return [size - self.smallest for (size,) in rows]

    @asynccontextmanager
    async def paired(self) -> AsyncIterator[None]:
        """Running, paired over the wire, and confirmed; killed at the end."""
        async with open_school(Paths.of(self.school.folder / "hub.yaml", None)) as opened:
            registry, data = Registry(opened.database, opened.clock), opened.paths.data
            invite = await registry.invite("door", None)
            code = invitation(invite, open_identity(data), opened.configured.nodes, self.wire.port)
            self.data.mkdir()
            (self.data / "invitation").write_text(code.uri())  # as `fras-node pair` does for a node that runs
            async with self.running(LONGEST="1"):
                async with asyncio.timeout(PATIENCE):
                    while not (known := await registry.everyone()):
                        await asyncio.sleep(0.05)
                await registry.confirm(known[0].id)
                yield

    async def in_the_middle(self) -> int:
        """Stops the wire when the hub has half of a frame, and all that came before: the bytes of that half."""
        while True:
            passed = self.wire.passed
            await asyncio.sleep(QUIET)
            if self.kept() and self.kept() == set(self.at_hub()) and self.wire.passed == passed:
                await self.wire.stop_after(passed + self.smallest // 2)
                return self.wire.passed - passed

    def copied(self) -> Path:
        """A copy, since the node runs."""
        return Path(shutil.copytree(self.spool, self.folder / "copy"))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.05)


async def test_in_the_middle_of_a_frame_the_hub_is_killed(tmp_path: Path) -> None:
    """What it acknowledged is in its ledger once; all else, also the frame of which it had half, is on the card."""
    port = free_port()
    yaml = YAML.replace("port: 0, name", f"port: {port}, name").replace("hours: always", f"hours: always, {INTERVAL}")
    (tmp_path / "node").mkdir()
    with school_in(tmp_path, yaml) as school:
        async with SlowWire(port, rate=RATE).open() as wire:
            node = Node(school, wire, tmp_path / "node")
            with running(school) as hub:
                async with node.paired():
                    async with asyncio.timeout(PATIENCE):
                        half = await node.in_the_middle()
                    acknowledged, passed = node.at_hub(), wire.passed
                    await node.takes(2)
                    hub.process.kill()
                    hub.process.wait()
                    known = node.at_hub()
                    assert known == acknowledged
                    assert (half, wire.passed) == (SMALLEST // 2, passed)
                    waiting = node.counted(known, spool=node.copied())
                    assert len(waiting - set(known)) >= 2
                    wire.go()
                    with running(school) as again:
                        await until(lambda: waiting <= set(node.at_hub()))
                        await node.takes(2)
                        await until(lambda: not pending(school))
                        assert again.stop() == 0
            node.counted(node.at_hub())
        assert not pending(school)
        assert list((school.folder / "data" / "inbox").iterdir()) == []


def pending(school: School) -> int:
    ((found,),) = asked(school.folder, "SELECT count(*) FROM frames WHERE outcome = 'pending'")
    return int(found)
