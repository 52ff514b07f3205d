"""A whole node in this process, all of whose pictures are told apart: what became of each can be counted."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from sqlalchemy import select

from hub.db.tables import frames
from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from node.agent import IDENTITY, Agent
from node.camera import Luma
from node.link import Phase
from node.log import open_log
from node.orders import Orders
from node.parts import Verdict
from node.pauses import LONGEST, Pauses
from node.segments import Kind
from node.session import SILENCE
from node.settings import Settings
from node.spool import Spool
from node.state import State
from node.wire import Moment
from tests.support.node_hub import NodeHub
from tests.support.relay import Relay
from tests.support.simulated_time import EPOCH, BoardsClock
from tests.support.site import jpeg

LOOK = timedelta(seconds=15)
"""Between two of its looks, of simulated time."""
PATIENCE = 60.0
ROOM_ON_CARD = 10**9


class NoPauses(Pauses):
    """A fault is to be met often, not politely."""

    def after(self, code: int | None) -> float:
        return 0.02


@dataclass(frozen=True)
class Row:
    """A frame in the ledger; `picture` is its checksum, `at` in µs since 1970."""

    picture: int
    outcome: str
    at: int


@dataclass
class CountedNode:
    """`people` are in the room now. `kept`: the checksum of each picture that the spool was given, and when it was
    truly taken, in µs since 1970. `spoil` is called with its log, before anything else may use that."""

    hub: NodeHub
    camera: str
    relay: Relay
    clock: BoardsClock
    folder: Path
    people: Sequence[str] = ()
    kept: dict[int, int] = field(default_factory=dict)
    spoil: Callable[[Any], None] = lambda log: None
    impatient: bool = False
    silence: float = SILENCE
    _looks: int = 0
    _agent: Agent | None = None

    @property
    def agent(self) -> Agent:
        assert self._agent is not None
        return self._agent

    # ---- what a camera and a gate are to the agent

    @asynccontextmanager
    async def open_camera(self, options: object, orders: Orders, clock: object) -> AsyncIterator[CountedNode]:
        yield self

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Sight]:
        self._looks += 1
        end = b"%d of %s" % (self._looks, self.camera.encode())  # what comes behind a JPEG is not looked at
        yield Sight(self.clock.now(), np.full((2, 2), len(self.people), np.uint8), jpeg(*self.people) + end)

    # ---- its life

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Between two of these the power is off."""
        async with AsyncExitStack() as stack:
            log = await stack.enter_async_context(open_log(self.folder / "spool", ROOM_ON_CARD))
            keep = log.frame

            async def frame(at: Moment, picture: bytes, moved: bool) -> None:
                self.kept[zlib.crc32(picture)] = at.mono + self.clock.started
                await keep(at, picture, moved)  # which is finished, also when the power goes meanwhile

            log.frame = frame  # type: ignore[method-assign]
            self.spoil(log)
            camera: Any = SimpleNamespace(open_camera=self.open_camera)
            settings = Settings(camera, {}, self.folder)
            self._agent = Agent(settings, log, State(self.folder / IDENTITY), self.folder, self.clock)
            self._agent.watching._make_gate = lambda orders: KeepsPeople()
            self._agent.watching._reader = None
            self._agent.link._silence = self.silence
            if self.impatient:
                self._agent.link._pauses = NoPauses()
            running = asyncio.create_task(self._agent.run())
            try:
                yield
            finally:
                running.cancel()
                ended = (await asyncio.gather(running, return_exceptions=True))[0]
                assert isinstance(ended, asyncio.CancelledError), ended

    async def pair(self) -> None:
        """By an invitation over the wire as it is, and confirmed."""
        registry, service = self.hub.registry, self.hub.service
        invite = await registry.invite(self.camera, None)
        code = invitation(invite, open_identity(service.data), self.hub.opened.configured.nodes, await service.where())
        self.agent.link.invite(replace(code, port=self.relay.port))
        await self.until(Phase.UNCONFIRMED)
        await registry.confirm(self.name)
        await self.until(Phase.CONNECTED)

    @property
    def name(self) -> str:
        """As the hub has it."""
        assert self.agent.state.paired is not None
        return self.agent.state.paired.node

    def hurry(self) -> None:
        """It connects again without pauses from now on."""
        self.agent.link._pauses = NoPauses()
        self.clock.time.goes_on(timedelta(seconds=LONGEST))

    async def until(self, phase: Phase) -> None:
        await eventually(lambda: self.agent.link.phase is phase)

    async def watches(self, duration: timedelta) -> None:
        """Simulated time goes on, and the node looks each time."""
        for _ in range(duration // LOOK):
            await self.looks(LOOK)

    async def watches_until(self, hour: int, minute: int) -> None:
        local = self.hub.opened.clock.now().astimezone(self.hub.opened.zone)
        await self.watches(local.replace(hour=hour, minute=minute, second=0) - local)

    async def looks(self, after: timedelta) -> None:
        """Once, and what it keeps of that is on its card."""
        looks = self._looks
        self.clock.time.goes_on(after)
        await eventually(lambda: self._looks > looks and self.agent.watching._wake in self.clock.resting)

    async def delivered(self) -> None:
        """Until nothing waits any more."""
        log = self.agent._log
        async with asyncio.timeout(PATIENCE):
            while (await log.report()).entries:
                await asyncio.sleep(0.01)

    # ---- counting

    async def rows(self) -> list[Row]:
        columns = frames.c.checksum, frames.c.outcome, frames.c.captured_at
        query = select(*columns).where(frames.c.camera == self.camera).order_by(frames.c.epoch, frames.c.seq)
        async with self.hub.opened.database.read() as connection:
            found = await connection.execute(query)
            return [Row(picture, outcome, (at - EPOCH) // timedelta(microseconds=1)) for picture, outcome, at in found]

    def on_card(self) -> set[int]:
        """The pictures that a node without power has still to tell."""
        spool = Spool(self.folder / "spool", ROOM_ON_CARD)
        entries = iter(lambda: spool.take(ROOM_ON_CARD), None)
        found = {zlib.crc32(entry.jpeg) for entry in entries if entry.kind is Kind.FRAME}
        assert not spool.report().dropped
        spool.close()
        return found

    async def counted(self) -> tuple[set[int], set[int]]:
        """What is on the card and what in the ledger, of a node without power: nothing is lost, twice or invented."""
        waiting, rows = self.on_card(), await self.rows()
        known = Counter(row.picture for row in rows)
        assert set(known.values()) <= {1}, "a frame is in the ledger twice"
        assert not set(self.kept) - waiting - set(known), "frames are lost"
        assert not (waiting | set(known)) - set(self.kept), "frames are invented"
        await self.hub.drained()
        assert not [row for row in await self.rows() if row.outcome not in ("recognised", "empty", "superseded")]
        return waiting, set(known)


@dataclass
class Sight:
    at: Moment
    luma: Luma
    picture: bytes

    async def jpeg(self, quality: int) -> bytes:
        return self.picture


class KeepsPeople:
    """The gate: in an empty room nothing moves."""

    def judge(self, luma: Luma, at: Moment) -> Verdict:
        return Verdict(keep=bool(luma.any()), moved=True)


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)
