"""When cameras watched, as it is drawn."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.attendance.records import Rules, Span
from hub.overview.timeline import timeline
from tests.support.panel import at

START, END = at("09:00"), at("09:50")
RULES = Rules()


def every(start: str, end: str) -> list:  # type: ignore[type-arg]
    first, last = at(start), at(end)
    return [first + timedelta(seconds=30 * n) for n in range((last - first) // timedelta(seconds=30) + 1)]


def test_nothing_is_said_before_the_start() -> None:
    assert timeline(START, END, START, {"door": []}, RULES, {}) is None


def test_one_camera_of_the_room_suffices() -> None:
    line = timeline(START, END, at("11:00"), {"a": every("08:50", "09:20"), "b": every("09:20", "10:00")}, RULES, {})
    assert line
    assert (line.share, line.gaps) == (1.0, ())
    assert [watched.spans for watched in line.cameras] == [
        (Span(START, at("09:20")),),
        (Span(at("09:20"), END),),
    ]


def test_a_gap_is_named() -> None:
    line = timeline(START, END, at("11:00"), {"a": every("08:50", "09:10") + every("09:30", "10:00")}, RULES, {})
    assert line
    assert line.gaps == (Span(at("09:10"), at("09:30")),)
    assert round(line.share, 3) == 0.6


def test_a_running_lecture_is_not_short_of_the_signal_that_is_due() -> None:
    line = timeline(START, END, at("09:20:25"), {"a": every("08:50", "09:20")}, RULES, {})
    assert line
    assert (line.until, line.share) == (at("09:20"), 1.0)
    line = timeline(START, END, at("09:25"), {"a": every("08:50", "09:20")}, RULES, {})
    assert line
    assert (line.until, line.gaps) == (at("09:25"), (Span(at("09:20"), at("09:25")),))


@given(
    st.lists(st.integers(-600, 4000).map(lambda second: START + timedelta(seconds=second)), max_size=60),
    st.integers(1, 5000).map(lambda second: START + timedelta(seconds=second)),
)
def test_what_is_watched_and_what_is_not_make_up_the_time_so_far(signals: list, now) -> None:  # type: ignore[type-arg, no-untyped-def]
    line = timeline(START, END, now, {"a": [one for one in signals if one <= now]}, RULES, {})
    assert line
    watched = sum((span.end - span.start for span in line.cameras[0].spans if span.start < line.until), timedelta())
    lost = sum((gap.end - gap.start for gap in line.gaps), timedelta())
    assert watched + lost == line.until - line.start
    assert 0 <= line.share <= 1
    assert all(0 <= line.place(moment) <= 1 for moment in signals)


def test_what_nobody_has_looked_at_is_a_gap() -> None:
    unseen = {"a": [Span(at("09:10"), at("09:15"))]}
    line = timeline(START, END, at("11:00"), {"a": every("08:50", "10:00")}, RULES, unseen)
    assert line is not None
    assert line.gaps == (Span(at("09:10"), at("09:15")),)
