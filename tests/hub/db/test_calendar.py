"""School years."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.db.calendar import academic_year


@pytest.mark.parametrize(
    ("day", "first_month", "year"),
    [
        (date(2026, 7, 31), 8, "2025/26"),
        (date(2026, 8, 1), 8, "2026/27"),
        (date(2027, 1, 1), 8, "2026/27"),
        (date(2099, 9, 1), 9, "2099/00"),
        (date(2026, 12, 31), 1, "2026"),
        (date(2026, 4, 1), 4, "2026/27"),
    ],
)
def test_the_year_of_a_day(day: date, first_month: int, year: str) -> None:
    assert academic_year(day, first_month) == year


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)), st.integers(1, 12))
def test_a_year_changes_only_with_its_first_month(day: date, first_month: int) -> None:
    changed = academic_year(day, first_month) != academic_year(day - timedelta(days=1), first_month)
    assert changed == (day.day == 1 and day.month == first_month)
