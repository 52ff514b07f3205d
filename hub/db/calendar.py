"""Which school year a day belongs to."""

from __future__ import annotations

from datetime import date


def academic_year(day: date, first_month: int = 8) -> str:
    """The school year of `day`, the school's local date: '2026/27', or '2026' where years begin in January.

    `first_month` is the month (1 to 12) in which a school year begins.
    """
    if first_month == 1:
        return f"{day.year:04}"
    start = day.year if day.month >= first_month else day.year - 1
    return f"{start:04}/{(start + 1) % 100:02}"
