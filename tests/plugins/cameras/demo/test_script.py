"""The demo school's play: who is where, at any time whatever."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.attendance.timetable import Cycle, lectures_on
from plugins.cameras.demo.script import ROOMS, Cast, Script, visits

CAST = Cast(tuple("abcdefghijk"), refused="k", stranger="z")
SLOT = timedelta(minutes=10)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
DAYS = [
    date(2026, 11, 22),
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 10, 4),
    date(2026, 4, 5),
    date(2026, 3, 8),
]


def script(zone: str = "UTC", slot: timedelta = SLOT) -> Script:
    return Script(CAST, slot, ZoneInfo(zone))


def seen(play: Script, start: datetime, end: datetime, room: int) -> dict[str, list[datetime]]:
    """When each person is in view, looked at every two seconds."""
    found: dict[str, list[datetime]] = {}
    moment = start
    while moment < end:
        for presence in play.present(room, moment):
            found.setdefault(presence.person, []).append(moment)
        moment += timedelta(seconds=2)
    return found


YEAR = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 365 * 86_400).map(lambda seconds: YEAR + timedelta(seconds=seconds))


@given(st.sampled_from(ZONES), moments, st.sampled_from((SLOT, timedelta(seconds=20), timedelta(hours=1))))
def test_nobody_is_in_two_rooms_nor_twice_in_one(zone: str, now: datetime, slot: timedelta) -> None:
    play = script(zone, slot)
    people = [presence.person for room in range(ROOMS) for presence in play.present(room, now)]
    assert len(people) == len(set(people))


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("zone", ZONES)
def test_every_lecture_of_the_timetable_has_its_people(zone: str, day: date) -> None:
    play = script(zone)
    for room in range(ROOMS):
        entry = Cycle("Demo", "x", "1", frozenset(range(7)), ROOMS * SLOT, SLOT, time(0, 10 * room))
        for lecture in lectures_on(day, [entry], ZoneInfo(zone)):
            middle = play.present(room, lecture.start + SLOT * 0.4)
            assert 6 <= len(middle) <= 11
            assert play.present(1 - room, lecture.start + SLOT * 0.4) == []


def test_a_lecture_has_every_part_cast() -> None:
    start = datetime(2026, 11, 22, 23, 20, tzinfo=UTC)
    found = seen(script(), start - timedelta(minutes=1), start + SLOT, 0)
    minute = timedelta(minutes=1)
    on_the_roll = {person: times for person, times in found.items() if person != "z"}
    late = {person for person, times in on_the_roll.items() if times[0] > start + minute}
    early = {person for person, times in on_the_roll.items() if times[-1] < start + SLOT * 0.9 - minute}
    assert len(on_the_roll) == 10, "one of eleven never comes"
    assert (len(late), len(early)) == (2, 1)
    assert "k" in on_the_roll, "who refuses comes all the same"
    assert "k" not in late | early
    assert timedelta(0) < found["z"][-1] - found["z"][0] < minute
    assert all(times[0] >= start - minute for times in found.values())


def test_the_parts_are_cast_anew_for_each_lecture_and_alike_for_the_same() -> None:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    plays = [visits(CAST, start + number * SLOT, SLOT) for number in range(20)]
    missing = [set(CAST.pupils) - {visit.person for visit in play} for play in plays]
    assert len(set(map(frozenset, missing))) > 3
    visits.cache_clear()
    assert visits(CAST, start, SLOT) == plays[0]


def test_people_walk_in_and_out() -> None:
    start = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    visit = visits(CAST, start, SLOT)[0]
    play = script()

    def way(moment: datetime) -> tuple[float, bool]:
        (presence,) = (found for found in play.present(0, moment) if found.person == visit.person)
        return round(presence.way, 6), presence.leaving

    second = timedelta(seconds=1)
    assert way(visit.enters) == (0, False)
    assert way(visit.enters + 4 * second) == (0.5, False)
    assert way(visit.enters + 30 * second) == (1, False)
    assert way(visit.leaves - 4 * second) == (0.5, True)
