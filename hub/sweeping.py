"""What is past its time, removed every hour: each part on its own, so that one that fails holds up no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from itertools import count

from hub.crops import Crops
from hub.db.engine import Database
from hub.failure import Failure
from hub.people import Erasure
from hub.pipeline.overdue import Overdue
from hub.plugin import Clock, PluginError
from hub.registers import Projector
from hub.retention import Retention
from hub.settings import Keep

logger = logging.getLogger("fras.sweeping")

SWEEP = timedelta(hours=1)
ORPHANS = 24
"""Sweeps of which one also looks for pictures that nothing refers to."""
COPIES = timedelta(days=7)
"""How long a copy of the database as it was before an upgrade is kept."""
LEAP = timedelta(minutes=10)
"""A clock that is further ahead than that, since the last sweep, is not believed before the next."""


class Sweeper:
    def __init__(
        self,
        database: Database,
        projector: Projector,
        crops: Crops,
        erasure: Erasure,
        retention: Retention,
        overdue: Overdue,
        clock: Clock,
    ) -> None:
        self._database = database
        self._projector = projector
        self._crops = crops
        self._erasure = erasure
        self._retention = retention
        self._overdue = overdue
        self._clock = clock
        self._soon = asyncio.Event()
        self._shown = clock.now(), clock.monotonic()

    def keep(self, keep: Keep) -> None:
        """What is kept for longer than this goes soon."""
        self._overdue.keep, self._crops.keep, self._retention.keep = keep.frames, keep.crops, keep.facts
        self._soon.set()

    async def run(self) -> None:
        """Sweeps until cancelled."""
        for hour in count():
            self._soon.clear()
            if self._believable():
                await self._sweep(orphans=hour % ORPHANS == 0)
            waits = [asyncio.ensure_future(self._soon.wait()), asyncio.ensure_future(self._pause())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    async def _pause(self) -> None:
        await self._clock.sleep(SWEEP.total_seconds())

    def _believable(self) -> bool:
        """Whether the clock went on as time did: a leap by mistake must not cost what has time to stay."""
        (wall, steady), self._shown = self._shown, (self._clock.now(), self._clock.monotonic())
        leap = self._shown[0] - wall - timedelta(seconds=self._shown[1] - steady)
        if leap > LEAP:
            logger.warning("the clock has leapt ahead by %s: what is past its time by now is removed later", leap)
        return leap <= LEAP

    async def _sweep(self, *, orphans: bool) -> None:
        parts: dict[str, Callable[[], Awaitable[object]]] = {
            "templates and pictures of people whose consent has lapsed": self._erasure.lapsed,
            "frames that cannot be recognised": self._overdue.sweep,
            "crops": self._crops.sweep,
            "facts": self._facts,
            "events": self._projector.forget_news,
        }
        if orphans:
            parts["pictures that nothing refers to"] = self._crops.sweep_orphans
        parts["copies of the database from before an upgrade"] = self._copies
        parts["what is empty of the database's file"] = self._database.give_back
        parts["what the database's log remembers"] = self._database.forget_log
        await self._each(parts)

    async def _each(self, parts: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        for what, sweep in parts.items():
            try:
                await sweep()
            except (PluginError, Failure) as error:
                logger.warning("past their time, but not removed now: %s: %s", what, error)

    async def _copies(self) -> None:
        await self._database.forget_copies(self._clock.now() - COPIES)

    async def _facts(self) -> None:
        await self._projector.settle()
        await self._retention.sweep()
