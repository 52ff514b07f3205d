"""Conclusions are replaced day by day and come back exactly."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from hub.attendance.records import Mark, Sighting, Status
from hub.db import attendance, people
from hub.db.engine import Database
from hub.db.people import Person
from tests.support.facts import at

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"
SEEN = Sighting(at(1.000001), at(2), "door", "1", 3, 0.1 + 0.2, True, "crops/a.jpg")
PRESENT = Mark(
    "1", "maths", Status.LATE, 12, "seen at 9:12", at(1), at(2), 1, 0.7, ("door", "back"), 0.95, "crops/a.jpg", "3"
)
ABSENT = Mark("2", "maths", Status.NOT_OBSERVED, None, "thin", None, None, 0, None, (), 0.0, None, "3")


async def test_conclusions_come_back_as_they_were(database: Database) -> None:
    early = replace(SEEN, first=at(0), person="2", crop=None)
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await attendance.replace_day(connection, MONDAY, [SEEN, early], [ABSENT, PRESENT])
    async with database.read() as connection:
        assert await attendance.sightings_of(connection, MONDAY) == [early, SEEN]
        assert await attendance.marks_of(connection, MONDAY) == [PRESENT, ABSENT]
        assert await attendance.marks_of(connection, TUESDAY) == []


async def test_a_day_is_replaced_whole_and_alone(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await attendance.replace_day(connection, MONDAY, [SEEN], [PRESENT])
        await attendance.replace_day(connection, TUESDAY, [SEEN], [replace(PRESENT, lecture="art")])
        await attendance.replace_day(connection, MONDAY, [], [ABSENT])
        assert await attendance.sightings_of(connection, MONDAY) == []
        assert await attendance.marks_of(connection, MONDAY) == [ABSENT]
        assert await attendance.sightings_of(connection, TUESDAY) == [SEEN]


async def test_days_whose_marks_may_change_are_known(database: Database) -> None:
    monday, tuesday = date.fromisoformat(MONDAY), date.fromisoformat(TUESDAY)
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await attendance.replace_day(connection, MONDAY, [], [ABSENT])
        assert await attendance.undecided(connection, monday) == []
        sunday = monday - timedelta(days=1)
        assert await attendance.undecided(connection, sunday) == [monday], "decided while the clock was ahead"
        await attendance.replace_day(connection, TUESDAY, [], [replace(ABSENT, lecture="art", status=Status.OPEN)])
        assert await attendance.undecided(connection, tuesday) == [tuesday]


async def test_people_erased_meanwhile_are_left_out(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("2", "Bob"))
        await attendance.replace_day(connection, MONDAY, [SEEN], [PRESENT, ABSENT])
        assert await attendance.sightings_of(connection, MONDAY) == []
        assert await attendance.marks_of(connection, MONDAY) == [ABSENT]


@pytest.mark.sqlite
async def test_only_what_has_changed_is_written(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await attendance.replace_day(connection, MONDAY, [SEEN], [PRESENT, ABSENT])
        before = (await connection.execute(text("SELECT total_changes()"))).scalar_one()
        await attendance.replace_day(connection, MONDAY, [SEEN], [PRESENT, ABSENT])
        assert (await connection.execute(text("SELECT total_changes()"))).scalar_one() == before
        later = replace(ABSENT, coverage=0.5)
        await attendance.replace_day(connection, MONDAY, [replace(SEEN, crop=None)], [PRESENT, later])
        assert (await connection.execute(text("SELECT total_changes()"))).scalar_one() == before + 4
        assert await attendance.marks_of(connection, MONDAY) == [PRESENT, later]
        assert await attendance.sightings_of(connection, MONDAY) == [replace(SEEN, crop=None)]
