from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.attendance.coverage import Watch, covered_spans, joined, uncovered, watch
from hub.attendance.records import Lecture, Rules, Span
from tests.support.school import at, every

RULES = Rules(gap=timedelta(minutes=1))
LECTURE = Lecture(at("09:00"), at("09:50"), "l", "2026-11-23", "Mathematics", "10A", "101")


def watched(**spans: tuple[str, str]) -> Watch:
    covered = {camera: [Span(at(start), at(end))] for camera, (start, end) in spans.items()}
    return watch(LECTURE, covered, covered, {})


def test_signals_close_together_cover_what_is_between() -> None:
    times = every("09:00", "09:10") + every("09:12", "09:20")
    assert covered_spans(times, RULES) == [Span(at("09:00"), at("09:10")), Span(at("09:12"), at("09:20"))]


def test_the_bound_itself_still_covers() -> None:
    assert covered_spans([at("09:00:00"), at("09:01:00")], RULES) == [Span(at("09:00:00"), at("09:01:00"))]
    assert covered_spans([at("09:00:00"), at("09:01:01")], RULES) == []


def test_a_lone_signal_covers_nothing() -> None:
    assert covered_spans([at("09:00")], RULES) == []
    assert covered_spans([at("09:00")] * 5, RULES) == []


def test_what_nobody_has_looked_at_covers_nothing_whatever_heartbeats_say() -> None:
    times = every("09:00", "09:20")
    unseen = [Span(at("09:05"), at("09:07")), Span(at("09:06"), at("09:08")), Span(at("09:18"), at("09:40"))]
    assert covered_spans(times, RULES, unseen) == [Span(at("09:00"), at("09:05")), Span(at("09:08"), at("09:18"))]
    assert covered_spans(times, RULES, [Span(at("08:00"), at("10:00"))]) == []
    assert covered_spans(times, RULES, [Span(at("08:00"), at("08:30"))]) == covered_spans(times, RULES)


def test_the_share_is_of_the_lecture_alone() -> None:
    assert watched(door=("08:00", "12:00")).share == 1
    assert watched(door=("09:25", "12:00")).share == pytest.approx(0.5)
    assert watched(door=("07:00", "08:59")).share == 0
    assert watched().share == 0


def test_a_room_is_covered_while_one_of_its_cameras_watches() -> None:
    room = watched(door=("08:00", "09:20"), back=("09:15", "09:45"))
    assert room.share == pytest.approx(0.9)
    assert room.gaps == (Span(at("09:45"), at("09:50")),)


def test_complete_when_every_camera_of_the_room_has_delivered_the_end() -> None:
    early, end = at("09:49:59"), at("09:50")
    assert watch(LECTURE, ["door", "back"], {}, {"door": end, "back": end}).complete
    assert not watch(LECTURE, ["door", "back"], {}, {"door": end, "back": early}).complete
    assert not watch(LECTURE, ["door", "back"], {}, {"door": end}).complete
    assert not watch(LECTURE, [], {}, {"door": end}).complete


START = datetime(2026, 11, 23, tzinfo=UTC)
seconds = st.integers(0, 3600).map(lambda s: START + timedelta(seconds=s))
some_spans = st.lists(st.tuples(seconds, seconds).map(lambda pair: Span(min(pair), max(pair))), max_size=8)
LONG = Span(START + timedelta(minutes=10), START + timedelta(minutes=40))


@given(some_spans, seconds)
def test_a_moment_is_covered_or_in_a_gap(spans: list[Span], moment: datetime) -> None:
    if LONG.start <= moment < LONG.end:
        in_gap = any(gap.start <= moment < gap.end for gap in uncovered(spans, LONG))
        assert in_gap != any(span.start <= moment < span.end for span in spans)


@given(some_spans)
def test_joined_spans_are_apart_and_gaps_stay_within(spans: list[Span]) -> None:
    merged = joined(spans)
    assert all(one.end < other.start for one, other in pairwise(merged))
    assert all(LONG.start <= gap.start < gap.end <= LONG.end for gap in uncovered(spans, LONG))


@given(st.lists(seconds, max_size=30))
def test_one_signal_more_never_covers_less(signals: list[datetime]) -> None:
    def missed(times: list[datetime]) -> timedelta:
        return sum((gap.end - gap.start for gap in uncovered(covered_spans(times, RULES), LONG)), timedelta())

    assert missed(signals) <= missed(signals[1:])
