"""Time that runs as the real one does, and further on whenever a test says so: for a hub and for its nodes alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from node.wire import Moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatedTime:
    """`now` is what time it truly is, in µs since 1970. Begins at `start`."""

    def __init__(self, start: datetime) -> None:
        self._ahead = (start - EPOCH) // timedelta(microseconds=1) - time.monotonic_ns() // 1000
        self._passed = asyncio.Event()
        self._still: int | None = None

    def now(self) -> int:
        return (time.monotonic_ns() // 1000 if self._still is None else self._still) + self._ahead

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It goes on when a test says so, and not by itself."""
        self._still = time.monotonic_ns() // 1000
        try:
            yield
        finally:
            self._ahead -= time.monotonic_ns() // 1000 - self._still
            self._still = None

    def moment(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.now())

    def goes_on(self, by: timedelta) -> None:
        """Whoever rests until then goes on, too."""
        self._ahead += by // timedelta(microseconds=1)
        passed, self._passed = self._passed, asyncio.Event()
        passed.set()

    async def reaches(self, moment: float) -> None:
        """In µs since 1970."""
        while (left := (moment - self.now()) / 1e6) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._passed.wait()
        await asyncio.sleep(0)


@dataclass
class HubClock:
    """A hub's clock; `ahead` is how far its wall clock is."""

    time: SimulatedTime
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.time.moment() + self.ahead

    def monotonic(self) -> float:
        return self.time.now() / 1e6

    async def sleep(self, seconds: float) -> None:
        await self.time.reaches(self.time.now() + seconds * 1e6)


@dataclass
class BoardsClock:
    """A board's clocks, since it `started` (µs, truly); its wall clock is `ahead` µs ahead and was never set.

    `resting` holds what may wake those who rest now.
    """

    time: SimulatedTime
    boot: int = 1
    ahead: int = 0
    started: int = 0
    resting: set[asyncio.Event] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.starts()

    def starts(self) -> None:
        """The board starts anew."""
        self.boot, self.started = self.boot + 1, self.time.now() - 30_000_000

    def now(self) -> Moment:
        true = self.time.now()
        return Moment(true + self.ahead, true - self.started, self.boot, synchronised=False)

    async def rest(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self.time.reaches(self.time.now() + seconds * 1e6))
        ]
        if wake is not None:
            waits.append(asyncio.ensure_future(wake.wait()))
            self.resting.add(wake)
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if wake is not None:
                self.resting.discard(wake)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
