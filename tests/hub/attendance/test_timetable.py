from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.attendance.timetable import Cycle, Weekly, lectures_on
from tests.support.school import BERLIN, DAILY, MATHS, MONDAY

HOUR = timedelta(hours=1)
BERLIN_SPRING, BERLIN_AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
LORD_HOWE_SPRING, LORD_HOWE_AUTUMN = date(2026, 10, 4), date(2026, 4, 5)
CHANGES = [
    ("Europe/Berlin", BERLIN_SPRING),
    ("Europe/Berlin", BERLIN_AUTUMN),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", LORD_HOWE_SPRING),
    ("Australia/Lord_Howe", LORD_HOWE_AUTUMN),
    ("Asia/Kathmandu", date(1986, 1, 1)),
    ("Asia/Kathmandu", date(2026, 3, 29)),
]


def entry(start: time, end: time, **changed: str) -> Weekly:
    what = {"class_name": "10A", "lecture": "Astronomy", "room": "101"} | changed
    return Weekly(**what, days=DAILY, start=start, end=end)


def span(day: date, start: time, end: time, zone: str) -> tuple[datetime, datetime]:
    (lecture,) = lectures_on(day, [entry(start, end)], ZoneInfo(zone))
    return lecture.start, lecture.end


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_only_the_entries_of_the_weekday() -> None:
    monday = Weekly("10A", "Mathematics", "101", frozenset({0}), time(9), time(9, 50))
    assert [lecture.name for lecture in lectures_on(MONDAY, [monday], BERLIN)] == ["Mathematics"]
    assert lectures_on(MONDAY + timedelta(days=1), [monday], BERLIN) == []


def test_in_order_of_time_whatever_the_order_of_the_timetable() -> None:
    entries = [entry(time(hour), time(hour, 45)) for hour in (13, 8, 10)]
    starts = [lecture.start for lecture in lectures_on(MONDAY, entries, BERLIN)]
    assert starts == sorted(starts)
    assert lectures_on(MONDAY, entries, BERLIN) == lectures_on(MONDAY, entries[::-1], BERLIN)


def test_the_same_entry_twice_is_one_lecture_the_longest() -> None:
    entries = [MATHS, MATHS, Weekly("10A", "Mathematics", "101", DAILY, time(9), time(10))]
    (lecture,) = lectures_on(MONDAY, entries, BERLIN)
    assert lecture.end - lecture.start == HOUR


def test_classes_may_share_a_room_and_an_hour() -> None:
    both = lectures_on(MONDAY, [entry(time(9), time(10)), entry(time(9), time(10), class_name="10B")], BERLIN)
    assert len({lecture.id for lecture in both}) == 2


def test_ids_are_the_same_again_and_safe_in_urls_and_file_names() -> None:
    odd = entry(time(9), time(10), class_name='十年/甲 "a"\n', room="../..")
    (lecture,) = lectures_on(MONDAY, [odd], BERLIN)
    assert lecture.id == lectures_on(MONDAY, [odd], BERLIN)[0].id
    assert re.fullmatch(r"2026-11-23-0900-[a-z0-9-]+", lecture.id)


def test_ids_tell_apart_what_reads_alike() -> None:
    names = ["10A", "10a", "10-A", "10 A", "ⅩA"]
    found = lectures_on(MONDAY, [entry(time(9), time(10), class_name=name) for name in names], BERLIN)
    assert len({lecture.id for lecture in found}) == len(names)


def test_an_end_before_the_start_is_tomorrow() -> None:
    start, end = span(MONDAY, time(23, 30), time(0, 30), "Europe/Berlin")
    assert end - start == HOUR


def test_a_lecture_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="starts and ends at 09:00"):
        entry(time(9), time(9))


def test_a_school_day_keeps_its_local_hours_when_the_clocks_changed_in_the_night() -> None:
    assert span(BERLIN_SPRING, time(9), time(10), "Europe/Berlin")[0] == utc(2026, 3, 29, 7)
    assert span(BERLIN_AUTUMN, time(9), time(10), "Europe/Berlin")[0] == utc(2026, 10, 25, 8)


def test_a_time_that_comes_twice_is_the_first_of_the_two() -> None:
    assert span(BERLIN_AUTUMN, time(2, 30), time(2, 45), "Europe/Berlin") == (
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 25, 0, 45),
    )


def test_a_lecture_through_the_repeated_hour_is_an_hour_longer() -> None:
    start, end = span(BERLIN_AUTUMN, time(1, 30), time(3, 30), "Europe/Berlin")
    assert end - start == 3 * HOUR


def test_a_time_that_never_comes_is_read_with_the_offset_before() -> None:
    assert span(BERLIN_SPRING, time(2, 30), time(2, 45), "Europe/Berlin") == (
        utc(2026, 3, 29, 1, 30),
        utc(2026, 3, 29, 1, 45),
    )


def test_a_start_that_never_comes_does_not_eat_its_lecture() -> None:
    start, end = span(BERLIN_SPRING, time(2, 30), time(3, 15), "Europe/Berlin")
    assert (start, end - start) == (utc(2026, 3, 29, 1, 30), timedelta(minutes=45))


def test_half_an_hour_of_daylight_saving() -> None:
    start, end = span(LORD_HOWE_AUTUMN, time(1), time(3), "Australia/Lord_Howe")
    assert end - start == timedelta(hours=2, minutes=30)
    start, end = span(LORD_HOWE_SPRING, time(1), time(3), "Australia/Lord_Howe")
    assert end - start == timedelta(hours=1, minutes=30)


def test_a_quarter_hour_offset() -> None:
    assert span(MONDAY, time(9), time(10), "Asia/Kathmandu")[0] == utc(2026, 11, 23, 3, 15)


times = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@given(st.sampled_from(CHANGES), times, times)
@example(("Pacific/Apia", date(2011, 12, 30)), time(9), time(10))
def test_every_lecture_has_length_and_none_is_lost(change: tuple[str, date], start: time, end: time) -> None:
    if start == end:
        return
    zone, day = change
    starts, ends = span(day, start, end, zone)
    nominal = (datetime.combine(day, end) - datetime.combine(day, start)) % timedelta(days=1)
    assert ends > starts
    assert abs((ends - starts) - nominal) <= HOUR
    assert starts.utcoffset() == ends.utcoffset() == timedelta(0)


ROUND_THE_CLOCK = Cycle("Demo", "Drawing", "101", DAILY, timedelta(minutes=20), timedelta(minutes=8))


def cycle(every: timedelta, length: timedelta, start: time = time(0)) -> Cycle:
    return Cycle("Demo", "Drawing", "101", DAILY, every, length, start)


def test_a_cycle_comes_again_all_day() -> None:
    found = lectures_on(MONDAY, [ROUND_THE_CLOCK], BERLIN)
    assert len(found) == 72
    assert {lecture.end - lecture.start for lecture in found} == {timedelta(minutes=8)}
    assert {lecture.date for lecture in found} == {"2026-11-23"}
    assert found[0].start == utc(2026, 11, 22, 23)


def test_a_cycle_begins_at_its_start_on_its_days_only() -> None:
    evening = Cycle("Demo", "Drawing", "101", frozenset({0}), HOUR, HOUR, time(20, 30))
    starts = [lecture.start.astimezone(BERLIN).time() for lecture in lectures_on(MONDAY, [evening], BERLIN)]
    assert starts == [time(20, 30), time(21, 30), time(22, 30), time(23, 30)]
    assert lectures_on(MONDAY + timedelta(days=1), [evening], BERLIN) == []


@pytest.mark.parametrize(("day", "count"), [(BERLIN_SPRING, 69), (BERLIN_AUTUMN, 75)])
def test_a_cycle_goes_on_while_the_clocks_change(day: date, count: int) -> None:
    found = lectures_on(day, [ROUND_THE_CLOCK], BERLIN)
    assert len(found) == len({lecture.id for lecture in found}) == count
    assert {b.start - a.start for a, b in pairwise(found)} == {timedelta(minutes=20)}


def test_two_rooms_take_turns_whatever_the_clocks_do() -> None:
    other = Cycle("Demo", "Music", "102", DAILY, timedelta(minutes=20), timedelta(minutes=8), time(0, 10))
    for zone, day in CHANGES:
        found = lectures_on(day, [ROUND_THE_CLOCK, other], ZoneInfo(zone))
        assert all(a.end <= b.start and a.room != b.room for a, b in pairwise(found))


@pytest.mark.parametrize(("every", "length"), [(0, 0), (10, 11), (1441, 10), (10, -1), (0.51, 0.5)])
def test_a_cycle_that_makes_no_lectures_is_refused(every: float, length: float) -> None:
    with pytest.raises(ValueError, match="Drawing of Demo"):
        cycle(timedelta(minutes=every), timedelta(minutes=length))


rhythms = st.integers(60, 24 * 3600).flatmap(lambda every: st.tuples(st.just(every), st.integers(1, every)))


@settings(deadline=None)
@given(st.sampled_from(CHANGES), rhythms, times)
def test_a_cycle_never_overlaps_itself_not_even_over_midnight(
    change: tuple[str, date], rhythm: tuple[int, int], start: time
) -> None:
    zone, day = change
    entry = cycle(timedelta(seconds=rhythm[0]), timedelta(seconds=rhythm[1]), start)
    days = [lectures_on(day + timedelta(days=number), [entry], ZoneInfo(zone)) for number in (-1, 0, 1)]
    found = [lecture for lectures in days for lecture in lectures]
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert len({lecture.id for lecture in found}) == len(found)
    assert all(lecture.start.astimezone(ZoneInfo(zone)).date().isoformat() == lecture.date for lecture in found)
