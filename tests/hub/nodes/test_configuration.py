"""When a node captures: around the lectures of its room, as the school's clock has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hub.attendance.timetable import Weekly, lectures_on
from hub.nodes.configuration import active, configuration
from tests.support.school import ART, BERLIN, MATHS, MONDAY, PHYSICS, at

MARGIN = timedelta(minutes=15)
NIGHT = Weekly("10A", "Astronomy", "101", frozenset({6}), time(23), time(1))


def test_lectures_that_touch_are_one_span() -> None:
    first, second, third = active("101", [MATHS, PHYSICS, ART], BERLIN, MONDAY, MARGIN)
    assert first == (at("08:45"), at("10:55"))
    assert second == (at("08:45", MONDAY + timedelta(days=1)), at("10:55", MONDAY + timedelta(days=1)))
    assert third[0] - first[0] == timedelta(days=2)


def test_yesterdays_lecture_reaches_across_midnight() -> None:
    (first, *_) = active("101", [NIGHT], BERLIN, MONDAY, MARGIN)
    assert first[1] == at("01:15")


def test_where_the_clocks_change_the_hours_are_the_schools() -> None:
    autumn = date(2026, 10, 24)
    spans = active("101", [MATHS], BERLIN, autumn, timedelta(0))
    assert [start for start, _ in spans] == [
        datetime(2026, 10, 24, 7, tzinfo=UTC),
        datetime(2026, 10, 25, 8, tzinfo=UTC),
        datetime(2026, 10, 26, 8, tzinfo=UTC),
    ]


@given(
    st.lists(
        st.builds(
            Weekly,
            st.just("10A"),
            st.just("x"),
            st.sampled_from(["101", "102"]),
            st.frozensets(st.integers(0, 6)),
            st.times().map(lambda t: t.replace(second=0, microsecond=0, hour=t.hour % 12)),
            st.times().map(lambda t: t.replace(second=0, microsecond=0, hour=12 + t.hour % 12)),
        ),
        max_size=6,
    ),
    st.dates(date(2026, 1, 1), date(2027, 1, 1)),
    st.integers(0, 120),
)
def test_every_lecture_of_the_next_days_is_within(entries: list[Weekly], today: date, minutes: int) -> None:
    spans = active("101", entries, BERLIN, today, timedelta(minutes=minutes))
    assert all(one[1] < other[0] for one, other in pairwise(spans))
    for day in range(3):
        for lecture in lectures_on(today + timedelta(days=day), entries, BERLIN):
            if lecture.room == "101":
                assert any(start <= lecture.start and lecture.end <= end for start, end in spans)


def test_a_version_stands_for_its_content() -> None:
    orders = {"interval": 1.0, "hours": "lectures", "margin": 900.0}
    version, config = configuration(orders, "101", [MATHS], BERLIN, MONDAY)
    assert set(config) == {"interval", "active"}
    assert len(config["active"]) == 3
    assert configuration(dict(reversed(orders.items())), "101", [MATHS], BERLIN, MONDAY) == (version, config)
    assert configuration(orders, "101", [MATHS, PHYSICS], BERLIN, MONDAY)[0] != version
    assert configuration(orders, "nowhere", [MATHS], BERLIN, MONDAY)[1]["active"] == []
    assert "active" not in configuration(orders | {"hours": "always"}, "101", [MATHS], BERLIN, MONDAY)[1]
