"""Delays double, are cut at random and start anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.runtime.backoff import BackOff


@given(first=st.floats(0.001, 10), times=st.floats(1, 100), failures=st.integers(0, 2000))
def test_delays_stay_between_half_and_all_of_the_doubled_one(first: float, times: float, failures: int) -> None:
    longest = first * times
    back_off = BackOff(first, longest)
    for number in range(failures):
        delay = back_off.next()
        full = min(longest, first * 2.0 ** min(number, 30))
        assert full / 2 <= delay <= full
    back_off.reset()
    assert back_off.next() <= first
