"""The register of a day from the facts in the database: computed on demand, stored as they arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from hub.attendance.records import Rules
from hub.attendance.register import Register, conclusions, facts_of, register
from hub.attendance.roster import Person
from hub.attendance.timetable import Weekly
from hub.db import attendance, consent, ledger, observations, people, templates
from hub.db.engine import Database
from hub.failure import Failure
from hub.plugin import Clock
from hub.recognition.consent import Consent, standing

logger = logging.getLogger("fras.registers")

SETTLE = 1.0
"""Seconds between two projections: facts that arrive together cost one."""


class Registers:
    """Reads the facts of a day and hands them to the pure engine."""

    def __init__(
        self,
        database: Database,
        timetable: Sequence[Weekly],
        rooms: Mapping[str, str],
        rules: Rules,
        zone: ZoneInfo,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timetable = timetable
        self._rooms = rooms
        self._rules = rules
        self._zone = zone
        self._clock = clock

    async def names(self) -> dict[str, str]:
        async with self._database.read() as connection:
            return {person.id: person.name for person in await people.all(connection)}

    async def of(self, day: date) -> Register:
        """The register of the school's local date, from the facts as they are now."""
        now = self._clock.now()
        reach = facts_of(day, self._timetable, self._zone, self._rules)
        async with self._database.read() as connection:
            said = await consent.by_person(connection)
            enrolled = await templates.holders(connection)
            roll = [
                Person(
                    person.id,
                    person.class_name or "",
                    person.id in enrolled and standing(said.get(person.id, ()), now) is Consent.GRANTED,
                )
                for person in await people.all(connection)
            ]
            seen = await observations.between(connection, reach.start, reach.end)
            signals = {
                camera: await ledger.signals(connection, camera, reach.start, reach.end) for camera in self._rooms
            }
            watermarks = await ledger.watermarks(connection)
        return await asyncio.to_thread(
            register,
            day,
            self._timetable,
            self._zone,
            roll,
            seen,
            signals,
            watermarks,
            self._rooms,
            self._rules,
            now,
        )

    async def project(self, day: date) -> Register:
        """Stores the day's sightings and marks in place of what was stored; the same facts store the same rows."""
        found = await self.of(day)
        async with self._database.write() as connection:
            await attendance.replace_day(connection, day.isoformat(), found.sightings, found.marks)
        return found

    async def stored(self) -> dict[date, bytes]:
        """Every day whose register is stored, as bytes that are the same for the same sightings and marks."""
        async with self._database.read() as connection:
            return {
                day: conclusions(
                    await attendance.sightings_of(connection, day.isoformat()),
                    await attendance.marks_of(connection, day.isoformat()),
                )
                for day in await attendance.days(connection)
            }

    async def derived(self, days: Iterable[date]) -> dict[date, bytes]:
        """The same for what the facts say of these days now."""
        registers = {day: await self.of(day) for day in days}
        return {day: conclusions(found.sightings, found.marks) for day, found in registers.items()}

    async def rebuild(self) -> None:
        """Drops every stored sighting and mark, and derives those of every day anew."""
        async with self._database.write() as connection:
            days = await attendance.days(connection)
            await attendance.drop_all(connection)
        for day in days:
            await self.project(day)


class Projector:
    """Keeps the stored registers up to date while the hub runs."""

    def __init__(self, registers: Registers, zone: ZoneInfo, clock: Clock) -> None:
        self._registers = registers
        self._zone = zone
        self._clock = clock
        self._stale: set[date] = set()
        self._news = asyncio.Event()

    def changed(self, moments: Iterable[datetime]) -> None:
        """Facts captured at these moments (UTC) have been stored."""
        self._stale |= {moment.astimezone(self._zone).date() for moment in moments}
        self._news.set()

    async def run(self) -> None:
        """Projects until cancelled; what is still stale then is projected at the next start."""
        while True:
            await self._news.wait()
            try:
                await self.settle()
            except Failure as error:
                logger.warning("the registers could not be brought up to date, trying again: %s", error)
                self._news.set()
            await self._clock.sleep(SETTLE)

    async def settle(self) -> None:
        """Projects everything stale now."""
        self._news.clear()
        while self._stale:
            day = min(self._stale)
            await self._registers.project(day)
            self._stale.discard(day)
