"""What a node has to tell: handed to its camera in order, as much at once as there is, then acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias

from hub.db.nodes import Node
from hub.plugin import Burst, CameraEvent, Clock, Frame, Heartbeat
from node.wire import Acknowledged, Dropped, Moment, Picture, Refused, Watched

from .clocks import Clocks, Unknown
from .limits import Pace
from .link import LARGEST_PICTURE, End, Link
from .numbers import Numbers, ranges
from .registry import Refusal, line_of

logger = logging.getLogger("fras.nodes")

ENTRIES: Final = (100.0, 300.0)
"""Entries a second that a node may have settled, and how many at once."""
BYTES: Final = (8e6, 32e6)
JPEG: Final = b"\xff\xd8\xff"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SET_US: Final = 1_000_000
"""By how much the hub's clock has moved against its monotonic one when it was set, or the machine slept."""

Entry: TypeAlias = Picture | Watched | Dropped


class Conflict(Exception):
    """The hub has another frame under the number of this one."""


class Ledger(Protocol):
    """Where entries go."""

    @property
    def clock(self) -> Clock: ...
    async def deliver(self, camera: str, event: CameraEvent) -> None:
        """Returns once the event is acknowledged; waits while the camera does not read."""
        ...

    async def known(self, camera: str, frame: Frame) -> bool:
        """Whether the ledger has this very frame. Raises Conflict where it has another of that number."""
        ...

    def refused_entry(self, node: str, reason: str) -> None:
        """Counts an entry that was sent back."""
        ...

    def slowed(self, node: str, entries: int) -> None:
        """Counts entries that were made to wait, since the node sends more than it may."""
        ...

    async def renumber(self, node: Node) -> None:
        """Gives the node another epoch from its next connection on."""
        ...


class Log:
    """The log of one connection; `ask` asks the node what its clock says."""

    def __init__(
        self,
        node: Node,
        link: Link,
        ledger: Ledger,
        clocks: Clocks,
        numbers: Numbers,
        credits_: int,
        ask: Callable[[], Awaitable[None]],
    ) -> None:
        self._node = node
        self._link = link
        self._ledger = ledger
        self._clocks = clocks
        self._numbers = numbers
        self._free = credits_
        self._last = 0
        self._resent = max(node.highest, numbers.highest)
        self._entries: asyncio.Queue[Entry] = asyncio.Queue()
        self._pace, self._bytes = Pace(*ENTRIES), Pace(*BYTES)
        self._slowed = False
        self._ask = ask
        self._answered = asyncio.Event()
        self._wall_at_zero: int | None = None

    def take(self, entry: Entry) -> None:
        """An entry has come. Raises End for one that may not."""
        if isinstance(entry, Dropped):
            if not 0 < entry.first <= entry.last or entry.count < 0:
                raise End(Refusal.MALFORMED, detail="it dropped numbers that are none")
        else:
            number = _number(entry)
            if number <= self._last:
                raise End(Refusal.MALFORMED, detail="its entries are not in the order of their numbers")
            self._last = number
        if self._free == 0:
            raise End(Refusal.TOO_FAST, detail="an entry without a credit")
        self._free -= 1
        self._entries.put_nowait(entry)

    def clock_known(self, wall: int, monotonic: float) -> None:
        """The node has answered a question that the hub asked when its clocks said this (µs, s)."""
        self._wall_at_zero = wall - round(monotonic * 1e6)
        self._answered.set()

    async def work(self) -> None:
        """Settles what has come, again and again: all that came while the last was settled is settled together."""
        while True:
            entries = [await self._entries.get()]
            while not self._entries.empty():
                entries.append(self._entries.get_nowait())
            await self._pause(entries)
            await self._settle(entries)

    async def _pause(self, entries: Sequence[Entry]) -> None:
        clock = self._ledger.clock
        size = sum(len(entry.jpeg) for entry in entries if isinstance(entry, Picture))
        pause = max(self._pace.wait(clock.monotonic(), len(entries)), self._bytes.wait(clock.monotonic(), size))
        if pause:
            if not self._slowed:
                logger.warning("node %s sends more than a node may: it is slowed down", self._node.id)
            self._slowed = True
            self._ledger.slowed(self._node.id, len(entries))
            await clock.sleep(pause)

    async def _settle(self, entries: Sequence[Entry]) -> None:
        """Returns once all are safe and acknowledged, but for those that are never to come again."""
        events: list[Frame | Heartbeat] = []
        safe: list[tuple[int, int]] = []
        for entry in entries:
            if isinstance(entry, Dropped):
                reason = line_of(entry.reason, 60)
                logger.warning("node %s gave up %d pictures: %s", self._node.id, entry.count, reason)
                safe.append((entry.first, entry.last))
                continue
            number = _number(entry)
            try:
                event = await self._event(entry)
            except Unknown as why:
                await self._refuse(number, str(why))
                continue
            safe.append((number, number))
            if event is not None:
                events.append(event)
        if events:
            await self._ledger.deliver(self._node.camera, events[0] if len(events) == 1 else Burst(tuple(events)))
        if safe:
            for first, last in safe:
                self._numbers.settle(first, last)
            self._free += len(safe)
            await self._link.send(Acknowledged(ranges(safe), len(safe)))

    async def _event(self, entry: Picture | Watched) -> Frame | Heartbeat | None:
        """What its camera is to deliver; None where the hub has it. Raises Unknown for one never to come again."""
        if isinstance(entry, Picture):
            frame = await self._frame(entry)
            known = entry.number <= self._resent and await self._was_kept(frame)
            return None if known else frame
        until = EPOCH + timedelta(microseconds=await self._time(entry.at))
        return Heartbeat(until, None if entry.lens is None else min(1.0, max(0.0, entry.lens)))

    async def _frame(self, picture: Picture) -> Frame:
        if not picture.jpeg.startswith(JPEG):
            raise Unknown("it is no JPEG")
        if len(picture.jpeg) > LARGEST_PICTURE:
            raise Unknown(f"it is larger than {LARGEST_PICTURE} bytes")
        time = await self._time(picture.at)
        wall = EPOCH + timedelta(microseconds=picture.at.wall)
        skew = timedelta(microseconds=picture.at.wall - time)
        return Frame(self._node.epoch, picture.number, wall, picture.jpeg, picture.live, skew)

    async def _time(self, moment: Moment) -> int:
        """The hub's time of the moment, by an answer of the node since the hub's clock was last set.

        The first question to a node is under way before its first entry is.
        """
        while not self._comparable():
            self._answered.clear()
            if self._wall_at_zero is not None:
                await self._ask()
            await self._answered.wait()
        return self._clocks.at(moment, microseconds(self._ledger.clock.now()))

    def _comparable(self) -> bool:
        """Whether the hub's clock still goes as it did when the node was asked last."""
        clock = self._ledger.clock
        at_zero = microseconds(clock.now()) - round(clock.monotonic() * 1e6)
        return self._wall_at_zero is not None and abs(at_zero - self._wall_at_zero) <= SET_US

    async def _was_kept(self, frame: Frame) -> bool:
        try:
            return await self._ledger.known(self._node.camera, frame)
        except Conflict:
            await self._ledger.renumber(self._node)
            raise End(Refusal.NUMBER_TWICE, detail="it gets a new epoch") from None

    async def _refuse(self, number: int, reason: str) -> None:
        self._numbers.settle(number, number)
        self._ledger.refused_entry(self._node.id, reason)
        self._free += 1
        logger.debug("node %s: entry %d refused: %s", self._node.id, number, reason)
        await self._link.send(Refused(number, reason, 1))


def _number(entry: Picture | Watched) -> int:
    return entry.number if isinstance(entry, Picture) else entry.seq


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
