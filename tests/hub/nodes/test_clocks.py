"""The time of a frame: within half of the quickest exchange, whatever the wall clocks say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.nodes.clocks import AHEAD_US, BOOTS, REMEMBERED, SLACK_US, Clocks, Exchange, Unknown
from node.wire import Moment

HOUR = 3_600_000_000
BEGAN = 1_795_379_620_000_000
DAY = 24 * HOUR
delays = st.integers(0, 5_000_000)


def exchange(mono: int, there: int, back: int, began: int = BEGAN) -> Exchange:
    """A question that took `there` µs to a board that began to count at `began`, and whose answer took `back`."""
    return Exchange(began + mono - there, began + mono + back, mono)


@given(st.lists(st.tuples(delays, delays), min_size=1, max_size=20), st.integers(0, HOUR))
def test_the_quickest_of_the_last_exchanges_decides(ways: list[tuple[int, int]], mono: int) -> None:
    clocks = Clocks({})
    for number, (there, back) in enumerate(ways):
        clocks.heard(7, exchange(number * 20_000_000, there, back))
    quickest = min(there + back for there, back in ways[-REMEMBERED:])
    moment = Moment(wall=0, mono=mono, boot=7)
    assert abs(clocks.at(moment, BEGAN + DAY) - (BEGAN + mono)) <= quickest / 2 + 1


@given(st.integers(-DAY, DAY), st.lists(st.tuples(delays, delays), min_size=1, max_size=8), delays, delays)
def test_a_clock_that_was_set_is_believed_at_once(by: int, ways: list[tuple[int, int]], there: int, back: int) -> None:
    """Whichever clock: the hub's, set by `by`, is what counts from the next answer on."""
    clocks = Clocks({})
    for number, (one, other) in enumerate(ways):
        clocks.heard(7, exchange(number * 20_000_000, one, other))
    last = len(ways) * 20_000_000
    clocks.heard(7, exchange(last, there, back, BEGAN + by))
    wrong = abs(clocks.at(Moment(0, last, 7), BEGAN + 3 * DAY) - (BEGAN + by + last))
    # What agrees with both is a change too small to tell, and within their width.
    assert wrong <= (there + back) / 2 + 1 or abs(by) <= 10_000_000 + 2 * SLACK_US + len(ways) * 20_000


@given(st.integers(-DAY, DAY), delays, delays)
def test_the_boards_other_boots_move_along_with_the_hubs_clock(by: int, there: int, back: int) -> None:
    clocks = Clocks({6: BEGAN - HOUR})
    clocks.heard(7, exchange(0, 1, 1))
    clocks.heard(7, exchange(20_000_000, there, back, BEGAN + by))
    moved = clocks.began[7] - BEGAN
    assert clocks.began[6] == BEGAN - HOUR + (moved if abs(moved) > AHEAD_US else 0)


@given(st.integers(-100, 100), st.integers(1, 200))
def test_a_crystal_that_drifts_is_no_clock_that_was_set(ppm: int, count: int) -> None:
    clocks = Clocks({})
    for number in range(count):
        passed = number * 20_000_000
        clocks.heard(7, exchange(passed, 1_000, 1_000, BEGAN - passed * ppm // 1_000_000))
    assert len(clocks._exchanges[7]) == min(count, REMEMBERED)


@given(st.integers(-(2**53), 2**53), st.integers(0, HOUR), st.booleans())
def test_what_the_wall_clock_says_does_not_matter_in_a_boot_that_was_met(wall: int, mono: int, was_set: bool) -> None:
    clocks = Clocks({7: BEGAN})
    assert clocks.at(Moment(wall, mono, 7, was_set), BEGAN + DAY) == BEGAN + mono


def test_a_boot_never_met_counts_by_a_wall_clock_that_was_set() -> None:
    clocks = Clocks({7: BEGAN})
    assert clocks.at(Moment(BEGAN, 5, 8, synchronised=True), BEGAN + DAY) == BEGAN
    with pytest.raises(Unknown, match="never heard of"):
        clocks.at(Moment(BEGAN, 5, 8), BEGAN + DAY)


@pytest.mark.parametrize("boot", [7, 8])
def test_nothing_comes_from_the_future(boot: int) -> None:
    clocks = Clocks({7: BEGAN})
    moment = Moment(BEGAN + HOUR, HOUR, boot, synchronised=True)
    assert clocks.at(moment, BEGAN + HOUR - AHEAD_US) == BEGAN + HOUR
    with pytest.raises(Unknown, match="later than now"):
        clocks.at(moment, BEGAN + HOUR - AHEAD_US - 1)


def test_nothing_comes_from_years_ago() -> None:
    """A board whose clock was "set" to 1970, or whose monotonic clock ran for centuries."""
    clocks = Clocks({7: BEGAN - 1000 * DAY})
    for moment in (Moment(0, 5, 8, synchronised=True), Moment(0, 5, 7)):
        with pytest.raises(Unknown, match="more than a year ago"):
            clocks.at(moment, BEGAN)


def test_many_boots_are_remembered_not_all() -> None:
    clocks = Clocks({})
    for boot in range(BOOTS + 5):
        clocks.heard(boot, exchange(1, 1, 1))
    assert list(clocks.began) == list(range(5, BOOTS + 5))
    again = Clocks(clocks.began)
    again.heard(5, exchange(1, 1, 1))
    again.heard(99, exchange(1, 1, 1))
    assert 5 in again.began  # it was heard of lately
    assert 6 not in again.began
