"""Counting, against counting by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.attendance.records import Mark, Status
from hub.db import attendance, daily, overview, people
from hub.db.engine import open_database
from hub.db.people import Person
from hub.overview.tally import Tally, percentage
from tests.support.facts import url_of
from tests.support.panel import MONDAY

CAME = {Status.PRESENT, Status.LATE, Status.LEFT_EARLY}
DAY = MONDAY.isoformat()


def amounts_to(statuses: list[Status]) -> Status:
    """What one person's day amounts to, in words instead of SQL."""
    if CAME & set(statuses):
        return Status.PRESENT
    for status in (Status.OPEN, Status.ABSENT, Status.EXCUSED):
        if status in statuses:
            return status
    return Status.NOT_OBSERVED


def mark(person: str, lecture: str, status: Status) -> Mark:
    return Mark(person, lecture, status, None, "", None, None, 0, None, (), 1.0, None, "1")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from(Status), min_size=1, max_size=4)))
async def test_a_day_counts_everybody_once(tmp_path_factory, school: dict[str, list[Status]]) -> None:  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("day")
    marks = [mark(who, f"{DAY}-{hour}", status) for who, said in school.items() for hour, status in enumerate(said)]
    async with open_database(url_of(folder)) as database:
        async with database.write() as connection:
            await people.add(connection, *(Person(who, who) for who in school))
            await attendance.replace_day(connection, DAY, [], marks)
        async with database.read() as connection:
            days = await daily.between(connection, MONDAY, MONDAY)
            lectures = await overview.tallies(connection, DAY)
            of_each = {who: await overview.days_of(connection, who) for who in school}
    assert days.get(DAY, {}) == Counter(amounts_to(said) for said in school.values())
    assert of_each == {who: {DAY: amounts_to(said)} for who, said in school.items()}
    assert {(lecture, status): count for lecture, counts in lectures.items() for status, count in counts.items()} == (
        Counter((one.lecture, one.status) for one in marks)
    )


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_percentage_is_a_share_of_both(present: int, absent: int) -> None:
    found = percentage(present, absent)
    if found is None:
        assert present == absent == 0
    else:
        assert abs(found * (present + absent) - 100 * present) < 1e-6
        assert 0 <= found <= 100


def test_tallies_add_up() -> None:
    both = Tally(present=2, late=1) + Tally(absent=3, open=4)
    assert (both.came, both.absent, both.open, both.total) == (3, 3, 4, 10)
