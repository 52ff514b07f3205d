"""Durations, sizes, times of day and numbers as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import time, timedelta
from typing import Any

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin.validators import (
    Validator,
    duration,
    duration_between,
    format_duration,
    number,
    share,
    size,
    slug,
    text,
    time_of_day,
    whole_number,
)

ALL = [duration, size, time_of_day, share, text, slug, number(0, 1), whole_number(1)]

YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(min_value=0, max_value=100 * 364 * 86_400_000))
def test_a_duration_written_out_reads_back_the_same(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    assert duration(format_duration(length)) == length


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10 min", timedelta(minutes=10)),
        ("10min", timedelta(minutes=10)),
        ("30 days", timedelta(days=30)),
        ("1 day", timedelta(days=1)),
        ("2 weeks", timedelta(days=14)),
        (" 500 ms ", timedelta(milliseconds=500)),
        ("1.5 h", timedelta(minutes=90)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("0 s", timedelta(0)),
    ],
)
def test_durations_as_people_write_them(written: str, meant: timedelta) -> None:
    assert duration(written) == meant


@pytest.mark.parametrize("written", ["", "10", "min", "-1 s", "10 parsecs", "1 h,30 min", "٣ min", "1e9 h", None, True])
def test_what_is_no_duration_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(vol.Invalid, match=r"10 min"):
        duration(written)


def test_a_bare_number_is_told_to_add_a_unit() -> None:
    with pytest.raises(vol.Invalid, match="needs a unit"):
        duration(10)


@pytest.mark.parametrize(("written", "taken"), [("99 ms", False), ("100 ms", True), ("1 min", True), ("61 s", False)])
def test_a_duration_between_two(written: str, taken: bool) -> None:
    bounded = duration_between("100 ms", "1 min")
    if taken:
        assert bounded(written) == duration(written)
    else:
        with pytest.raises(vol.Invalid, match="out of range; write a duration from 100 ms to 1 min"):
            bounded(written)


def test_an_absurd_duration_is_refused() -> None:
    with pytest.raises(vol.Invalid, match="100 years"):
        duration("999999999999 weeks")


@pytest.mark.parametrize(("written", "meant"), [("500 MB", 500_000_000), ("1.5 GiB", 3 * 2**29), ("12B", 12)])
def test_sizes(written: str, meant: int) -> None:
    assert size(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("09:00", time(9)), ("9:30", time(9, 30)), ("23:59", time(23, 59)), ("0:00", time(0))]
)
def test_times_of_day(written: str, meant: time) -> None:
    assert time_of_day(written) == meant


@pytest.mark.parametrize("written", ["24:00", "9", "9:3", "9.30", "09:60", "9:30 pm", 570, None])
def test_what_is_no_time_of_day(written: Any) -> None:
    with pytest.raises(vol.Invalid, match="09:00"):
        time_of_day(written)


@pytest.mark.parametrize(("written", "meant"), [("80 %", 0.8), (0.8, 0.8), ("0.8", 0.8), (1, 1.0), ("100%", 1.0)])
def test_shares(written: Any, meant: float) -> None:
    assert share(written) == pytest.approx(meant)


@pytest.mark.parametrize("written", [80, "101 %", -0.1, True, "many", float("nan")])
def test_what_is_no_share(written: Any) -> None:
    with pytest.raises(vol.Invalid, match="80 %"):
        share(written)


@pytest.mark.parametrize("written", ["room-101-door", "a", "7", "x_y"])
def test_ids(written: str) -> None:
    assert slug(written) == written


@pytest.mark.parametrize("written", ["", "Room", "a b", "../etc", "-a", "a-", "a" * 65, "é", 7, "a\n"])
def test_what_is_no_id(written: Any) -> None:
    with pytest.raises(vol.Invalid, match="not an id"):
        slug(written)


def test_numbers_may_come_as_text_and_true_is_none() -> None:
    assert whole_number(1, 65535)("8123") == 8123
    assert number(0, 1)("0.5") == 0.5
    for wrong in (True, "8123x", 1.5, None):
        with pytest.raises(vol.Invalid, match="whole number"):
            whole_number()(wrong)
    for endless in (float("nan"), float("inf"), "nan", 10**400):
        with pytest.raises(vol.Invalid, match="expected a number"):
            number()(endless)


def test_limits_are_named() -> None:
    with pytest.raises(vol.Invalid, match="from 1 up to 65535"):
        whole_number(1, 65535)(0)
    with pytest.raises(vol.Invalid, match="from 1 up to 1000000000"):
        whole_number(1, 1_000_000_000)(0)
    with pytest.raises(vol.Invalid, match="from 1 upwards"):
        whole_number(1)(0)


@given(st.sampled_from(ALL), YAML_VALUES)
def test_anything_else_is_invalid_and_nothing_else_is_raised(validator: Validator, value: Any) -> None:
    with suppress(vol.Invalid):
        validator(value)
