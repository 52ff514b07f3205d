"""One connection of a node, from its welcome to its end: the rules of docs/node-protocol.md for the hub's side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import singledispatchmethod
from typing import Any, Final, Protocol

from hub.db.nodes import Node, NodeState
from node.wire import (
    Configure,
    Configured,
    Credential,
    Dropped,
    FromNode,
    Health,
    Identify,
    Moment,
    Picture,
    PictureKind,
    Ping,
    Pong,
    Rotate,
    Rotated,
    TakeSnapshot,
    Waiting,
    Watched,
    Welcome,
)

from .clocks import Clocks, Exchange
from .limits import Pace
from .link import LARGEST_PICTURE, End, Gone, Link
from .log import JPEG, Ledger, Log, microseconds
from .numbers import Numbers
from .registry import Refusal, line_of
from .updates import notice

logger = logging.getLogger("fras.nodes")

PING_EVERY: Final = 20.0
SILENCE: Final = 60.0
UNANSWERED: Final = 180.0
"""Seconds without an answer to any ping, though something else is heard: pictures may hold answers up, not for ever."""
FIRST_PINGS: Final = 4
ALIVE_WITHIN: Final = 5.0
"""Seconds in which an older connection must answer, or it gives way to a newer one."""
ROTATE_EVERY: Final = timedelta(days=1)
TALK: Final = (5.0, 50.0)
"""Messages a second that are no entries, and how many at once."""

MOST_SAYINGS: Final = 12
"""Problems of a board that are shown."""


class Hub(Ledger, Protocol):
    """What a session needs of the hub."""

    @property
    def backup(self) -> bytes | None:
        """The pin of the hub's next key."""
        ...

    async def orders(self, camera: str) -> tuple[str, Mapping[str, Any]]:
        """Version and content of what the camera's node is to do now."""
        ...

    async def offer(self, node: Node, credential: bytes) -> Node: ...
    def snapshot(self, node: str, jpeg: bytes) -> None: ...


@dataclass(slots=True, eq=False)
class Told:
    """What a node said of itself in this connection."""

    health: Health | None = None
    configured: Configured | None = None
    skew: timedelta | None = None


class Session:
    """`node` is its row as far as this connection knows; `run` serves it until the connection ends.

    What the session `before` knows, and the database perhaps not yet, is kept.
    """

    def __init__(self, node: Node, link: Link, hub: Hub, credits: int, before: Session | None = None) -> None:  # noqa: A002
        self.node = node
        self.since = self.heard_at = hub.clock.now()
        self.welcomed = False
        self.told = Told()
        self.clocks = Clocks({int(boot): began for boot, began in node.boots.items()})
        self.numbers = Numbers(node.acknowledged, node.highest)
        if before is not None:
            self.clocks = before.clocks
            if before.node.epoch == node.epoch:
                self.numbers = before.numbers
        self.log = Log(node, link, hub, self.clocks, self.numbers, credits, self._ping)
        self._link = link
        self._hub = hub
        self._credits = credits
        self._pings: dict[int, tuple[int, float]] = {}
        """The hub's clocks when each was sent: µs since 1970, and monotonic."""
        self._pinged = 0
        self._heard_at = self._answered_at = hub.clock.monotonic()
        self._spoke = asyncio.Event()
        self._changed = asyncio.Event()
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._snapshots = 0
        self._rotating = False
        self._version = ""
        self._talk = Pace(*TALK)
        self.closed = asyncio.Event()

    # ---- what others ask of it

    def become(self, node: Node) -> None:
        """The administrator has changed what is known of the node."""
        if node.state is NodeState.REVOKED:
            self.end(End(Refusal.REVOKED))
        self.node = replace(self.node, state=node.state, confirmed_at=node.confirmed_at, revoked_at=node.revoked_at)
        self._changed.set()

    def look_again(self) -> None:
        """What the node is to do may have changed."""
        self._changed.set()

    def end(self, end: End) -> None:
        if not self._end.done():
            self._end.set_result(end)

    async def alive(self) -> bool:
        """Whether anything is heard from the node on this connection, soon."""
        self._spoke.clear()
        try:
            async with asyncio.timeout(ALIVE_WITHIN):
                await self._ping()
                await self._spoke.wait()
        except (TimeoutError, Gone):
            return False
        return not self.closed.is_set()

    async def identify(self, seconds: float) -> None:
        await self._link.send(Identify(seconds))

    async def take_snapshot(self) -> None:
        self._snapshots += 1
        await self._link.send(TakeSnapshot(self._snapshots))

    async def rotate(self) -> None:
        """Asks for another credential."""
        self._rotating = True
        await self._link.send(Rotate())

    # ---- its life

    async def run(self) -> End:
        """Serves the connection, and says how it ended; the link is still to be closed."""
        parts = (self._read, self.log.work, self._beat, self._mind)
        tasks: list[asyncio.Future[Any]] = [
            asyncio.create_task(part(), name=f"{self.node.id} {part.__name__}") for part in parts
        ]
        try:
            await asyncio.wait([*tasks, self._end], return_when=asyncio.FIRST_COMPLETED)
            if self._end.done():
                return self._end.result()
            for task in tasks:
                if task.done():
                    task.result()
        except End as end:
            return end
        except Gone:
            return End(None)
        finally:
            self.closed.set()
            self._spoke.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise AssertionError("a part of a session ended without a reason")

    async def _read(self) -> None:
        while True:
            message = await self._link.receive()
            self._heard_at, self.heard_at = self._hub.clock.monotonic(), self._hub.clock.now()
            self._spoke.set()
            if message is None:
                continue
            if not self.welcomed and not isinstance(message, Picture | Pong | Health):
                raise End(Refusal.MALFORMED, detail="it said more than a node may that waits to be confirmed")
            entry = isinstance(message, Watched | Dropped) or (
                isinstance(message, Picture) and message.kind is PictureKind.FRAME
            )
            if not entry and self._talk.wait(self._heard_at) > 0:
                raise End(Refusal.TOO_FAST, detail="too many messages")
            await self._take(message)

    async def _beat(self) -> None:
        """Questions to learn the node's clock by, and whether it lives."""
        while True:
            await self._ping()
            first = self.welcomed and self._pinged < FIRST_PINGS
            await self._hub.clock.sleep(1.0 if first else PING_EVERY)
            now = self._hub.clock.monotonic()
            if now - self._heard_at > SILENCE or now - self._answered_at > UNANSWERED:
                raise End(Refusal.SILENT)

    async def _mind(self) -> None:
        """What the administrator, the timetable or the time of day want of the node."""
        if self.node.state is NodeState.WAITING:
            await self._link.send(Waiting())
            await self.take_snapshot()
        if (update := notice(self.node.software)) is not None:
            await self._link.send(update)
        while True:
            if self.node.state is NodeState.CONFIRMED:
                version, config = await self._hub.orders(self.node.camera)
                if not self.welcomed:
                    await self._welcome(version, config)
                elif version != self._version:
                    self._version = version
                    await self._link.send(Configure(version, config))
                if not self._rotating and self._hub.clock.now() - self.node.credential_since > ROTATE_EVERY:
                    await self.rotate()
            await self._changed.wait()
            self._changed.clear()

    async def _welcome(self, version: str, config: Mapping[str, Any]) -> None:
        self.welcomed = True
        self._version = version
        now = microseconds(self._hub.clock.now())
        await self._link.send(
            Welcome(now, self._credits, LARGEST_PICTURE, self.numbers.acknowledged, version, config, self._hub.backup)
        )

    async def _ping(self) -> None:
        self._pinged += 1
        now = microseconds(self._hub.clock.now())
        self._pings[self._pinged] = now, self._hub.clock.monotonic()
        while len(self._pings) > FIRST_PINGS:
            del self._pings[next(iter(self._pings))]
        await self._link.send(Ping(self._pinged, now))

    # ---- what the node says

    @singledispatchmethod
    async def _take(self, message: FromNode | Picture) -> None:
        raise End(Refusal.MALFORMED, detail="it said hello twice")

    @_take.register
    async def _(self, message: Pong) -> None:
        sent = self._pings.pop(message.ping, None)
        if sent is None:
            return
        took = max(0, round((self._hub.clock.monotonic() - sent[1]) * 1e6))
        _check(message.now)
        self.clocks.heard(message.now.boot, Exchange(sent[0], sent[0] + took, message.now.mono))
        ahead = message.now.wall - message.now.mono - self.clocks.began[message.now.boot]
        self.told.skew = timedelta(microseconds=ahead)
        self._answered_at = self._hub.clock.monotonic()
        self.log.clock_known(*sent)

    @_take.register
    async def _(self, message: Health) -> None:
        self.told.health = replace(
            message,
            problems=tuple(line_of(problem) for problem in message.problems[:MOST_SAYINGS]),
            dropped=_counts(message.dropped),
            incidents=_counts(message.incidents or {}),
        )

    @_take.register
    async def _(self, message: Configured) -> None:
        self.told.configured = replace(message, problem=line_of(message.problem) if message.problem else None)

    @_take.register
    async def _(self, message: Credential) -> None:
        if not self._rotating:
            raise End(Refusal.MALFORMED, detail="it changed its credential unasked")
        self.node = await self._hub.offer(self.node, message.credential)
        self._rotating = False
        self.node = replace(self.node, credential_since=self._hub.clock.now())
        await self._link.send(Rotated())

    @_take.register
    async def _(self, message: Picture) -> None:
        if message.kind is PictureKind.SNAPSHOT:
            if not 0 < message.number <= self._snapshots:
                raise End(Refusal.MALFORMED, detail="a snapshot that nobody asked for")
            if message.jpeg.startswith(JPEG) and len(message.jpeg) <= LARGEST_PICTURE:
                self._hub.snapshot(self.node.id, message.jpeg)
            return
        if not self.welcomed:
            raise End(Refusal.MALFORMED, detail="it said more than a node may that waits to be confirmed")
        self.log.take(message)

    @_take.register
    async def _(self, message: Watched) -> None:
        _check(message.at)
        self.log.take(message)

    @_take.register
    async def _(self, message: Dropped) -> None:
        self.log.take(message)


def _counts(told: Mapping[str, int]) -> dict[str, int]:
    return {line_of(what): count for what, count in list(told.items())[:MOST_SAYINGS]}


def _check(moment: Moment) -> None:
    if moment.mono < 0 or not 0 <= moment.boot < 2**32:
        raise End(Refusal.MALFORMED, detail="a moment that is none")
