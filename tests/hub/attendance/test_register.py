from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.attendance.coverage import covered_spans, watch
from hub.attendance.records import Observation, Rules, Status
from hub.attendance.register import canonical, conclusions, facts_of, register
from hub.attendance.timetable import Weekly, lectures_on
from tests.support.school import ART, BERLIN, MATHS, MONDAY, MUCH_LATER, PEOPLE, PHYSICS, ROOMS, at, every, saw, taken

observed = st.builds(
    Observation,
    st.integers(0, 130 * 60).map(lambda s: at("08:45") + timedelta(seconds=s)),
    st.sampled_from(sorted(ROOMS)),
    st.sampled_from([person.id for person in PEOPLE] + ["nobody's roster"]),
    st.uuids().map(str),
    st.sampled_from([0.5, 0.6, 0.7]),
    st.booleans(),
    st.sampled_from([None, "crop"]),
)
facts = st.lists(observed, max_size=15)
watched = st.fixed_dictionaries(
    {camera: st.lists(st.sampled_from(every("08:55", "10:45")), max_size=300) for camera in ROOMS}
)
shuffles = st.randoms(use_true_random=False)
ORDER = [Status.ABSENT, Status.NOT_OBSERVED, Status.OPEN, Status.LATE, Status.PRESENT]


@given(facts, watched, shuffles)
def test_order_repetition_and_batches_do_not_matter(
    observations: list[Observation], signals: dict[str, list[datetime]], chance: random.Random
) -> None:
    before = canonical(taken(observations, signals))
    cut = chance.randint(0, len(observations))
    batches = [*observations[cut:], *observations[:cut], *observations[: cut // 2]]
    chance.shuffle(batches)
    again = {camera: chance.sample(times * 2, k=len(times) * 2) for camera, times in reversed(signals.items())}
    people, weekly = list(PEOPLE) * 2, [PHYSICS, ART, MATHS, ART]
    chance.shuffle(people)
    assert canonical(taken(batches, again, people=people, weekly=weekly)) == before


@given(facts, observed, watched, st.integers(1, 4))
@example([saw("ada", "09:00"), saw("ada", "09:04")], saw("ada", "09:02"), {}, 2)
def test_one_observation_more_never_makes_anybody_less_present(
    observations: list[Observation], more: Observation, signals: dict[str, list[datetime]], present_after: int
) -> None:
    rules = Rules(present_after=present_after)
    before = {(mark.person, mark.lecture): mark.status for mark in taken(observations, signals, rules=rules).marks}
    for mark in taken([*observations, more], signals, rules=rules).marks:
        assert ORDER.index(mark.status) >= ORDER.index(before[mark.person, mark.lecture])


@given(facts, watched)
def test_one_mark_for_each_person_of_each_roster(
    observations: list[Observation], signals: dict[str, list[datetime]]
) -> None:
    drawn = taken(observations, signals)
    pairs = [(mark.lecture, mark.person) for mark in drawn.marks]
    assert len(pairs) == len(set(pairs)) == 3 + 3 + 1
    assert [lecture.name for lecture in drawn.lectures] == ["Art", "Mathematics", "Physics"] or [
        lecture.name for lecture in drawn.lectures
    ] == ["Mathematics", "Art", "Physics"]
    assert not [mark for mark in drawn.marks if mark.person == "nobody's roster"]


@given(facts, watched, st.integers(0, 300))
def test_once_nothing_is_open_time_changes_nothing(
    observations: list[Observation], signals: dict[str, list[datetime]], minutes: int
) -> None:
    early = taken(observations, signals, as_of=at("08:50") + timedelta(minutes=minutes))
    late = taken(observations, signals)
    assert not [mark for mark in late.marks if mark.status is Status.OPEN]
    decided = {(mark.person, mark.lecture): mark for mark in late.marks}
    for mark in early.marks:
        assert mark.status is Status.OPEN or mark == decided[mark.person, mark.lecture]


@given(facts, watched)
def test_absence_is_only_said_when_nothing_at_all_speaks_against_it(
    observations: list[Observation], signals: dict[str, list[datetime]]
) -> None:
    for mark in taken(observations, signals).marks:
        if mark.status is Status.ABSENT:
            assert mark.coverage >= Rules().enough_coverage
            assert mark.person != "dee"
            assert mark.best_score is None


@given(facts, watched, st.data())
def test_lateness_is_only_said_where_those_in_time_would_have_been_seen(
    observations: list[Observation], signals: dict[str, list[datetime]], data: st.DataObject
) -> None:
    """And who watched less knows less: without some of the signals nobody becomes late who was in time."""
    drawn, rules = taken(observations, signals), Rules()
    held = {lecture.id: lecture for lecture in drawn.lectures}
    for mark in drawn.marks:
        if mark.status is Status.LATE:
            lecture = held[mark.lecture]
            cameras = [camera for camera, room in ROOMS.items() if room == lecture.room]
            in_time = replace(lecture, end=lecture.start + rules.late_after)
            covered = {camera: covered_spans(signals[camera], rules) for camera in cameras}
            assert watch(in_time, cameras, covered, {}).share >= rules.enough_coverage
            assert mark.minutes is not None
    fewer = {camera: times[: data.draw(st.integers(0, len(times)))] for camera, times in signals.items()}
    late = {(mark.person, mark.lecture) for mark in drawn.marks if mark.status is Status.LATE}
    for mark in taken(observations, fewer).marks:
        assert mark.status is not Status.LATE or (mark.person, mark.lecture) in late


def test_facts_beyond_the_day_do_not_matter() -> None:
    beyond = [saw("ada", "23:59", day=MONDAY - timedelta(days=1)), saw("ada", "00:00", day=MONDAY + timedelta(days=1))]
    assert canonical(taken([saw("ada", "09:02"), *beyond])) == canonical(taken([saw("ada", "09:02")]))


def test_the_day_reaches_as_far_as_its_lectures() -> None:
    night = Weekly("10A", "Astronomy", "101", MATHS.days, MATHS.start.replace(hour=23), MATHS.end.replace(hour=0))
    reach = facts_of(MONDAY, lectures_on(MONDAY, [night], BERLIN), BERLIN, Rules())
    assert reach.start == at("00:00")
    assert reach.end > at("00:50", MONDAY + timedelta(days=1))
    watched = {"door-101": every("22:59", "23:59")}
    drawn = taken([saw("ada", "00:20", day=MONDAY + timedelta(days=1))], watched, weekly=[night])
    assert [mark.status for mark in drawn.marks if mark.person == "ada"] == [Status.LATE]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, day: date, hours: float) -> None:
    reach = facts_of(day, [], ZoneInfo(zone), Rules())
    assert reach.end - reach.start == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_why_tells_the_schools_own_time(zone: str) -> None:
    school = ZoneInfo(zone)
    day = date(2026, 10, 25)
    seen = datetime(2026, 10, 25, 9, 2, tzinfo=school).astimezone(UTC)
    fact = Observation(seen, "door-101", "ada", "1", 0.71, True)
    drawn = register(day, lectures_on(day, [MATHS], school), school, PEOPLE, [fact], {}, {}, ROOMS, Rules(), MUCH_LATER)
    (mark,) = (mark for mark in drawn.marks if mark.person == "ada")
    assert mark.why == "seen once from 09:02 at door-101, best score 0.71"


def test_canonical_is_json_without_the_moment_of_asking() -> None:
    facts = [saw("ada", "09:02"), saw("bob", "09:20", alone=False)]
    one = canonical(taken(facts, as_of=MUCH_LATER))
    assert one == canonical(taken(facts, as_of=MUCH_LATER + timedelta(days=1)))
    rows = json.loads(one)
    assert sorted(rows) == ["lectures", "marks", "sightings"]
    assert rows["sightings"][0]["first"] == "2026-11-23T08:02:00+00:00"


def test_a_day_asked_for_twice_is_the_same_day() -> None:
    drawn = taken([], weekly=[MATHS, MATHS, ART, ART])
    assert [lecture.name for lecture in drawn.lectures].count("Mathematics") == 1
    assert canonical(drawn) == canonical(taken([], weekly=[ART, MATHS]))


def test_nothing_in_nothing_out() -> None:
    assert canonical(taken([], {}, weekly=[], people=[])) == b'{"lectures":[],"marks":[],"sightings":[]}'


@given(facts, shuffles)
def test_conclusions_are_compared_whatever_order_a_database_gives_them_in(
    observations: list[Observation], chance: random.Random
) -> None:
    drawn = taken(observations)
    sightings, marks = list(drawn.sightings), list(drawn.marks)
    chance.shuffle(sightings)
    chance.shuffle(marks)
    assert conclusions(sightings, marks) == conclusions(drawn.sightings, drawn.marks)
    assert conclusions(sightings, marks[1:]) != conclusions(drawn.sightings, drawn.marks)
