"""How much a node or an address may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.nodes.limits import ADDRESSES, Failures, Pace, neighbourhood


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=100))
def test_whoever_heeds_the_pauses_stays_within_rate_and_burst(gaps: list[float]) -> None:
    pace, now = Pace(10, 5), 0.0
    for count, gap in enumerate(gaps, 1):
        now += gap
        now += pace.wait(now)
        assert count <= 5 + 10 * now + 1e-6


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    pace = Pace(1, 1)
    assert pace.wait(100) == 0
    assert pace.wait(50) > 0


def test_too_many_failures_are_forgotten_after_a_while() -> None:
    failures = Failures(3, 60)
    for at in (0, 1, 2):
        assert not failures.too_many("10.0.0.1", at)
        failures.note("10.0.0.1", at)
    assert failures.too_many("10.0.0.1", 3)
    assert not failures.too_many("10.0.0.2", 3)
    assert not failures.too_many("10.0.0.1", 61)


def test_addresses_do_not_fill_the_memory() -> None:
    failures = Failures(1, 60)
    for number in range(ADDRESSES + 10):
        failures.note(f"10.0.{number // 256}.{number % 256}", 0)
    assert len(failures._failed) == ADDRESSES


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_what_one_machine_can_call_itself(address: str, same: str) -> None:
    assert neighbourhood(address) == same
