"""What dates amount to is what their marks say, whatever happened to people and marks."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.attendance.records import Lecture, Mark, Status
from hub.db import attendance, daily, overview, people
from hub.db.engine import Database, open_database
from hub.db.people import Person
from tests.support.facts import older_fras, url_of

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
NINE = datetime(2026, 11, 23, 8, tzinfo=UTC)
PEOPLE = ("ada", "bob", "cem")


def mark(person: str, day: str, hour: int, status: Status) -> Mark:
    return Mark(person, f"{day}-{hour:02}00-x-00000000", status, None, "", None, None, 0, None, (), 1.0, None, "1")


def lecture(day: str, hour: int) -> Lecture:
    start = NINE + timedelta(days=day == TUESDAY, hours=hour)
    return Lecture(start, start + timedelta(hours=1), f"{day}-{hour:02}00-x-00000000", day, "Art", "10A", "101")


drawn = st.dictionaries(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from([MONDAY, TUESDAY]), st.integers(0, 3)), st.sampled_from(Status)
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(drawn | st.sampled_from(PEOPLE), min_size=1, max_size=5))
async def test_they_are_counted_as_the_marks_would_be(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[tuple[str, str, int], Status] | str]
) -> None:
    """Days drawn up again and again, and people who leave (and come back) in between."""
    async with open_database(url_of(tmp_path_factory.mktemp("daily"))) as database:
        for event in events:
            async with database.write() as connection:
                if isinstance(event, str):
                    await people.remove(connection, event)
                    continue
                await people.add(connection, *(Person(one, one) for one in PEOPLE))
                for day in (MONDAY, TUESDAY):
                    marks = [mark(who, day, hour, said) for (who, on, hour), said in event.items() if on == day]
                    await attendance.replace_day(connection, day, [], marks, [lecture(day, hour) for hour in range(4)])
        async with database.read() as connection:
            marks = [one for day in (MONDAY, TUESDAY) for one in await attendance.marks_of(connection, day)]
            assert await daily.between(connection, FIRST, LAST) == counted(marks)


def counted(marks: Sequence[Mark]) -> dict[str, dict[Status, int]]:
    ranks: dict[tuple[str, str], int] = {}
    for one in marks:
        key = one.lecture[:10], one.person
        ranks[key] = max(ranks.get(key, 0), daily.RANK[one.status])
    found: dict[str, Counter[Status]] = {}
    for (day, _), rank in ranks.items():
        found.setdefault(day, Counter())[daily.DAY[rank]] += 1
    return {day: dict(counts) for day, counts in found.items()}


async def test_lectures_are_kept_where_they_have_marks(database: Database) -> None:
    held = [lecture(MONDAY, 0), lecture(MONDAY, 1)]
    async with database.write() as connection:
        await people.add(connection, Person("ada", "Ada"))
        await attendance.replace_day(connection, MONDAY, [], [mark("ada", MONDAY, 0, Status.PRESENT)], held)
        assert await attendance.lectures_of(connection, MONDAY) == held[:1]
        assert await attendance.lectures_called(connection, [one.id for one in held]) == {held[0].id: held[0]}
        assert await overview.held(connection, FIRST, LAST) == {MONDAY: 1}
        await attendance.replace_day(connection, MONDAY, [], [mark("ada", MONDAY, 1, Status.PRESENT)], held)
        assert await attendance.lectures_of(connection, MONDAY) == held[1:]
        await attendance.replace_day(connection, MONDAY, [], [], held)
        assert await overview.held(connection, FIRST, LAST) == {}


@pytest.mark.sqlite
async def test_marks_of_an_older_fras_are_counted_when_it_is_upgraded(tmp_path: Path) -> None:
    marks = [
        mark("ada", MONDAY, 0, Status.ABSENT),
        mark("ada", MONDAY, 1, Status.LATE),
        mark("bob", MONDAY, 0, Status.EXCUSED),
        mark("cem", MONDAY, 0, Status.NOT_OBSERVED),
        mark("cem", TUESDAY, 0, Status.OPEN),
    ]
    newer = tmp_path / "newer"
    async with open_database(url_of(newer)) as database, database.write() as connection:
        await people.add(connection, *(Person(one, one) for one in PEOPLE))
        for day in (MONDAY, TUESDAY):
            await attendance.replace_day(connection, day, [], [one for one in marks if one.lecture.startswith(day)])
    older_fras(tmp_path, "0002")
    with closing(sqlite3.connect(tmp_path / "fras.db")) as older:
        older.execute("ATTACH ? AS newer", (f"{newer}/fras.db",))
        older.executescript(
            "DELETE FROM school; INSERT INTO school SELECT * FROM newer.school;"
            "INSERT INTO people SELECT * FROM newer.people; INSERT INTO marks SELECT * FROM newer.marks"
        )
    async with open_database(url_of(tmp_path)) as database, database.write() as connection:
        assert await daily.between(connection, FIRST, LAST) == counted(marks)
        assert await overview.held(connection, FIRST, LAST) == {MONDAY: 2, TUESDAY: 1}
        assert await attendance.lectures_of(connection, MONDAY) == []
        again = [one for one in marks if one.lecture.startswith(MONDAY)]
        await attendance.replace_day(connection, MONDAY, [], again, [lecture(MONDAY, hour) for hour in range(4)])
        assert [one.name for one in await attendance.lectures_of(connection, MONDAY)] == ["Art", "Art"]
