"""Facts past their time go, day by day; the marks that were concluded from them stay, frozen."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta

from hub.attendance.records import Span
from hub.crops import Crops
from hub.db import facts
from hub.db.engine import Database
from hub.plugin import Clock
from hub.registers import Registers

logger = logging.getLogger("fras.retention")


class Retention:
    """Frames, heartbeats, observations and sightings of a day go once `keep` has passed since it ended.

    Not before the hub has had them for so long itself: the register of an old recording can be derived again like any
    other. And not out of order: a day's facts may belong to the lecture before midnight, too.
    """

    def __init__(self, database: Database, registers: Registers, crops: Crops, clock: Clock, keep: timedelta) -> None:
        self._database = database
        self._registers = registers
        self._crops = crops
        self._clock = clock
        self.keep = keep

    async def sweep(self) -> int:
        """Says how many days were frozen. Raises PluginError and Failure; what was not removed is next time."""
        now = self._clock.now()
        before = self._registers.own(self._registers.day_of(now - self.keep)).start
        async with self._database.read() as connection:
            cameras = await facts.cameras(connection)
        frozen, moment, waits = 0, datetime.min.replace(tzinfo=UTC), date.min
        while (found := await self._first(cameras, moment, before)) is not None:
            day = self._registers.day_of(found)
            span = self._registers.own(day)
            moment = span.end
            yesterday = day - timedelta(days=1)
            if waits == yesterday or await self._arriving(cameras, yesterday, day, now):
                waits = day
                continue
            frozen += await self._freeze(day, now)
            await self._forget(cameras, span)
        if frozen:
            logger.info("facts of %d days removed: their registers stay as they are", frozen)
        return frozen

    async def _first(self, cameras: list[str], start: datetime, end: datetime) -> datetime | None:
        async with self._database.read() as connection:
            return await facts.first(connection, cameras, start, end)

    async def _arriving(self, cameras: list[str], first: date, last: date, now: datetime) -> bool:
        """Whether facts of these days wait for recognition, or have not been here for long."""
        span = Span(self._registers.own(first).start, self._registers.own(last).end)
        async with self._database.read() as connection:
            return await facts.arriving(connection, cameras, span, Span(now - self.keep, now))

    async def _freeze(self, day: date, now: datetime) -> bool:
        """Whether it was not before."""
        async with self._database.write() as connection:
            if await facts.is_frozen(connection, day):
                return False
            await facts.freeze(connection, day, now)
        return True

    async def _forget(self, cameras: list[str], span: Span) -> None:
        while True:
            async with self._database.read() as connection:
                batch = await facts.past(connection, cameras, span)
                crops = await facts.crops_in(connection, batch)
            if not batch:
                break
            await self._crops.remove(crops)
            async with self._database.write() as connection:
                await facts.forget(connection, batch)
        for camera in cameras:
            async with self._database.write() as connection:
                await facts.forget_heartbeats(connection, camera, span)
