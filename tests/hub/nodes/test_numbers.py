"""Which numbers are acknowledged: never one that did not come."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hub.nodes.numbers import Numbers, ranges

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)).map(lambda one: (one[0], one[0] + one[1])))


@given(st.integers(0, 20), spans)
def test_everything_up_to_the_first_gap_is_acknowledged(start: int, settled: list[tuple[int, int]]) -> None:
    numbers = Numbers(start, start)
    held = set(range(start + 1))
    for first, last in settled:
        numbers.settle(first, last)
        held |= set(range(first, last + 1))
        gap = next(number for number in range(100) if number not in held)
        assert numbers.acknowledged == gap - 1
        assert numbers.highest == max(held)


@given(spans)
def test_ranges_name_the_same_numbers_without_touching(settled: list[tuple[int, int]]) -> None:
    found = ranges(settled)
    assert {n for first, last in found for n in range(first, last + 1)} == {
        n for first, last in settled for n in range(first, last + 1)
    }
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))
