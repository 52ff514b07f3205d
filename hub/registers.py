"""The register of a day from the facts in the database: computed on demand, stored as they arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.attendance.records import Lecture, Rules, Span
from hub.attendance.register import Register, conclusions, facts_of, register
from hub.attendance.roster import Person
from hub.attendance.timetable import Entry, lectures_on
from hub.db import attendance, facts, ledger, nodes, observations, outbox, people, recognisable
from hub.db import settings as stored
from hub.db.engine import Database
from hub.db.ledger import Look
from hub.failure import Failure
from hub.plugin import Clock

logger = logging.getLogger("fras.registers")

SETTLE = 1.0
"""Seconds between two projections, at least: facts that arrive together cost one."""
REST = 4
"""Times as long as a projection took nothing is projected: registers of a large school take a fifth of a core."""
NOTED = "registers:noted"
"""Where the database keeps the last event of the outbox that the stored registers show."""
NEWS_KEPT = timedelta(days=7)
"""How long events stay in the outbox for those who follow it with interruptions."""
MINUTE = len("2026-11-23T08:00")
"""Characters of a moment in ISO form (UTC) that name its minute: frames of one minute are looked at once."""
EVENTS = 1000
"""Events read at a time."""


class Registers:
    """Reads the facts of a day and hands them to the pure engine."""

    def __init__(
        self,
        database: Database,
        timetable: Sequence[Entry],
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
        self._reaches: dict[date, Span] = {}

    def follow(self, timetable: Sequence[Entry], rooms: Mapping[str, str], rules: Rules) -> None:
        """Draws by these from now on."""
        self._timetable, self._rooms, self._rules = timetable, rooms, rules
        self._reaches.clear()

    async def names(self) -> dict[str, str]:
        async with self._database.read() as connection:
            return {person.id: person.name for person in await people.all(connection)}

    async def of(self, day: date, *, replan: bool = False) -> Register:
        """The register of the school's local date, from the facts as they are now.

        A day that is over keeps the lectures that it has marks of, unless they shall be `replan`ned by the timetable of
        now, and cameras that are no more watched the room they watched last. Of a day past retention it is what was
        concluded while there were facts.
        """
        now = self._clock.now()
        async with self._database.read() as connection:
            lectures = await attendance.lectures_of(connection, day.isoformat())
            if await facts.is_frozen(connection, day):
                return Register(tuple(lectures), (), tuple(await attendance.marks_of(connection, day.isoformat())))
            over = day < now.astimezone(self._zone).date()
            if replan or not (over and lectures):
                lectures = self._planned(day)
            rooms = {**(await attendance.rooms(connection) if over else {}), **self._rooms}
            reach = facts_of(day, lectures, self._zone, self._rules)
            looks = await ledger.looks(connection, tuple(rooms), reach.start, reach.end)
            held = await recognisable.throughout(connection, _until_the_last(lectures, looks))
            roll = [
                Person(person.id, person.class_name or "", person.id in held) for person in await people.all(connection)
            ]
            seen = await observations.between(connection, reach.start, reach.end)
            signals = await ledger.signals(connection, tuple(rooms), reach.start, reach.end)
            unseen = await ledger.unseen(connection, tuple(rooms), reach.start, reach.end)
            watermarks = await ledger.watermarks(connection) | dict.fromkeys(await nodes.ended(connection), now)
        return await asyncio.to_thread(
            register,
            day,
            lectures,
            self._zone,
            roll,
            seen,
            signals,
            watermarks,
            rooms,
            self._rules,
            now,
            unseen,
        )

    def days_of(self, moment: datetime) -> set[date]:
        """The days whose registers a fact of this moment (UTC) belongs to: lectures reach across midnight."""
        local = moment.astimezone(self._zone).date()
        near = [local + timedelta(days=away) for away in range(-2, 2)]
        return {local} | {day for day in near if self._reach(day).start <= moment <= self._reach(day).end}

    def day_of(self, moment: datetime) -> date:
        """The day to whose `own` facts one of this moment (UTC) belongs."""
        local = moment.astimezone(self._zone).date()
        tomorrow = local + timedelta(days=1)
        return tomorrow if moment >= self.own(tomorrow).start else local

    def own(self, day: date) -> Span:
        """The stretch of time whose facts no later day's register needs and that is no earlier day's; UTC.

        With those of all days it makes up all time.
        """
        start, end = (
            min(self._reach(day + timedelta(days=ahead)).start for ahead in range(first, first + 8)) for first in (0, 1)
        )
        return Span(start, end)

    async def frozen(self) -> frozenset[date]:
        """The days whose facts are past retention."""
        async with self._database.read() as connection:
            return await facts.frozen(connection)

    async def undecided(self) -> list[date]:
        """The days whose marks may change: open ones, and those of days to come, made when the clock was wrong."""
        today = self._clock.now().astimezone(self._zone).date()
        async with self._database.read() as connection:
            return await attendance.undecided(connection, today)

    async def news(self) -> tuple[int, set[date]]:
        """The last event of the outbox, and the days of frames that came to an end, and of crops that went, since."""
        days: set[date] = set()
        async with self._database.read() as connection:
            last = int(await stored.get(connection, NOTED) or 0)
            while events := await outbox.after(connection, last, EVENTS):
                last = events[-1].id
                captured = {event.payload["captured_at"][:MINUTE] for event in events if event.kind == "frame"}
                hours = {hour for event in events if event.kind == "crops" for hour in event.payload["hours"]}
                for texts, length in ((captured, timedelta(minutes=1)), (hours, timedelta(hours=1))):
                    for moment in map(datetime.fromisoformat, texts):
                        begun = moment.replace(tzinfo=UTC)
                        days |= self.days_of(begun) | self.days_of(begun + length)
        return last, days

    async def noted(self, last: int) -> None:
        """Remembers, also for the next start, that the registers show everything up to this event."""
        async with self._database.write() as connection:
            await stored.put(connection, NOTED, last)

    async def forget_news(self, before: datetime) -> int:
        """Removes events of the outbox from before that moment (UTC), and says how many; a batch a transaction.

        What the registers do not show yet stays, and so does the newest: what is newer must be called something higher.
        """
        removed = 0
        while True:
            async with self._database.write() as connection:
                shown = int(await stored.get(connection, NOTED) or 0)
                batch = await outbox.trim(connection, before, upto=min(shown, await outbox.last(connection) - 1))
            if not batch:
                return removed
            removed += batch

    async def would_replan(self, day: date, drawn: Register) -> bool:
        """Whether the timetable of now has other lectures for the register's classes, and could still be followed."""
        classes = {lecture.class_name for lecture in drawn.lectures}
        planned = {lecture for lecture in self._planned(day) if lecture.class_name in classes}
        return planned != {*drawn.lectures} and day not in await self.frozen()

    async def project(self, day: date, *, replan: bool = False) -> Register:
        """Stores the day's sightings and marks in place of what was stored; the same facts store the same rows.

        Followers learn which lectures have other marks now.
        """
        found = await self.of(day, replan=replan)
        date_ = day.isoformat()
        async with self._database.write() as connection:
            if await facts.is_frozen(connection, day):
                return found
            await attendance.keep_rooms(connection, self._rooms)
            changed = await attendance.replace_day(connection, date_, found.sightings, found.marks, found.lectures)
            if changed:
                await outbox.append(connection, "register", {"date": date_, "lectures": sorted(changed)})
        return found

    async def days(self) -> list[date]:
        """Those whose registers are stored, in order."""
        async with self._database.read() as connection:
            return await attendance.days(connection)

    async def stored(self, day: date) -> bytes:
        """The stored sightings and marks of the day, as bytes that are the same for the same ones."""
        async with self._database.read() as connection:
            date_ = day.isoformat()
            return conclusions(
                await attendance.sightings_of(connection, date_), await attendance.marks_of(connection, date_)
            )

    async def derived(self, day: date) -> bytes:
        """The same for what the facts say of the day now."""
        found = await self.of(day)
        return conclusions(found.sightings, found.marks)

    async def rebuild(self, *, replan: bool = False) -> list[date]:
        """Drops the stored sightings and marks of each day and derives them anew; an interruption loses no day.

        Says which days have others now.
        """
        changed = []
        for day in await self.days():
            before = await self.stored(day)
            await self.project(day, replan=replan)
            if await self.stored(day) != before:
                changed.append(day)
        return changed

    async def drawn_otherwise(self) -> frozenset[date]:
        """The days whose stored marks were all drawn by other rules, or other settings of them, than those of now."""
        async with self._database.read() as connection:
            return await attendance.without_version(connection, self._rules.version)

    def _planned(self, day: date) -> list[Lecture]:
        """The lectures of the school's local date by the timetable of now."""
        return lectures_on(day, self._timetable, self._zone)

    def _reach(self, day: date) -> Span:
        if day not in self._reaches:
            self._reaches[day] = facts_of(day, self._planned(day), self._zone, self._rules)
        return self._reaches[day]


def _until_the_last(lectures: Sequence[Lecture], looks: Sequence[Look]) -> list[Look]:
    """The looks, the last of them reaching to the end of the day's lectures: cameras may have looked at nothing.

    Whoever withdrew before that end was not looked for either.
    """
    end = max((lecture.end for lecture in lectures), default=None)
    if end is None:
        return list(looks)
    last = looks[-1] if looks else Look(None, end, end)
    return [*looks[:-1], replace(last, last=max(last.last, end))]


class Projector:
    """Keeps the stored registers up to date while the hub runs.

    It follows the outbox, so that what a killed hub had not projected is projected at the next start.
    """

    def __init__(self, registers: Registers, clock: Clock) -> None:
        self._registers = registers
        self._clock = clock
        self._stale: set[date] = set()
        self._looking_again = False
        self._noted = -1
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()

    def concluded(self) -> None:
        """Outcomes of frames have been stored, with their events."""
        self._news.set()

    def watched(self, moment: datetime) -> None:
        """A camera has watched until this moment (UTC)."""
        self._stale |= self._registers.days_of(moment)
        self._news.set()

    def look_again(self) -> None:
        """Time has passed: lectures end, and patience with silent cameras runs out."""
        self._looking_again = True
        self._news.set()

    async def forget_news(self) -> None:
        """Removes what followers of the outbox have had time enough to read. Raises Failure."""
        async with self._turn:
            await self._registers.forget_news(self._clock.now() - NEWS_KEPT)

    async def run(self) -> None:
        """Projects until cancelled."""
        level = logging.WARNING
        while True:
            await self._news.wait()
            began = self._clock.monotonic()
            try:
                await self.settle()
            except Failure as error:
                logger.log(level, "the registers could not be brought up to date, trying again: %s", error)
                level = logging.DEBUG
                self._news.set()
            else:
                level = logging.WARNING
            await self._clock.sleep(max(SETTLE, REST * (self._clock.monotonic() - began)))

    async def settle(self) -> None:
        """Returns once the stored registers show everything that was known when it was called."""
        async with self._turn:
            self._news.clear()
            last, days = await self._registers.news()
            self._stale |= days
            if self._looking_again:
                self._stale |= {*self._registers.days_of(self._clock.now()), *await self._registers.undecided()}
                self._looking_again = False
            while self._stale:
                day = min(self._stale)
                self._stale.discard(day)  # before reading the facts: what arrives meanwhile makes it stale again
                try:
                    await self._registers.project(day)
                except BaseException:
                    self._stale.add(day)
                    raise
            if last != self._noted:
                await self._registers.noted(last)
                self._noted = last
