"""How templates put times, spans and shares into words. Times come as UTC and are shown in the school's zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from hub.attendance.records import Span

DASH = "–"


@pass_context
def clock(context: Context, moment: datetime) -> str:
    """09:01"""
    return f"{_local(context, moment):%H:%M}"


@pass_context
def seconds(context: Context, moment: datetime) -> str:
    """09:01:27"""
    return f"{_local(context, moment):%H:%M:%S}"


@pass_context
def when(context: Context, moment: datetime) -> str:
    """As much of the date as the time needs: 09:01, yesterday 09:01, Mon 16 Nov 09:01, 16 Nov 2025 09:01."""
    local, today = _local(context, moment), _local(context, context["now"]).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    near = abs(local.date() - today) < timedelta(days=180)
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}" if near else f"{local.day} {local:%b %Y %H:%M}"


@pass_context
def ago(context: Context, moment: datetime) -> str:
    """3 min ago; a clock that ran ahead makes it "just now"."""
    return f"{span(context['now'] - moment)} ago" if context["now"] - moment >= timedelta(seconds=1) else "just now"


def span(length: timedelta) -> str:
    """In the largest unit that fits: 40 s, 3 min, 2 h, 5 days."""
    total = max(0, int(length.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if total >= size:
            count = total // size
            return f"{count} {unit}" + ("s" if unit == "day" and count > 1 else "")
    return f"{total} s"


def day(moment: date) -> str:
    """Monday 16 November 2026"""
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def week(moment: date) -> str:
    """Week 47"""
    return f"Week {moment.isocalendar().week}"


def short_day(moment: date) -> str:
    """Mon 16"""
    return f"{moment:%a} {moment.day}"


def month(moment: date) -> str:
    """November 2026"""
    return f"{moment:%B %Y}"


def month_name(moment: date) -> str:
    """November"""
    return f"{moment:%B}"


def short_month(moment: date) -> str:
    """Nov 2026"""
    return f"{moment:%b %Y}"


def year(moment: date) -> str:
    """2026"""
    return f"{moment:%Y}"


def percent(share: float | None) -> str:
    """Of 0 to 100, with one decimal that is never rounded to a hundred; a dash for None."""
    if share is None:
        return DASH
    rounded = round(share, 1)
    return f"{min(rounded, 99.9) if share < 100 else 100:g} %"


def score(value: float | None) -> str:
    """Two decimals, a dash for None."""
    return DASH if value is None else f"{value:.2f}"


def thousands(count: int) -> str:
    """5 213, with a narrow space that does not break."""
    return f"{count:,}".replace(",", "\u202f")


def slug(status: str) -> str:
    """A status as the name of its symbol and class: not-observed."""
    return status.replace(" ", "-")


def times(count: int) -> str:
    """once, twice, 3 times"""
    return {1: "once", 2: "twice"}.get(count, f"{thousands(count)} times")


def at_least_a_minute(gap: Span) -> bool:
    return gap.end - gap.start >= timedelta(minutes=1)


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _local(context: Context, moment: datetime) -> datetime:
    zone: ZoneInfo = context["zone"]
    return moment.astimezone(zone)


FILTERS: dict[str, Callable[..., Any]] = {
    word.__name__: word
    for word in (
        clock,
        seconds,
        when,
        ago,
        span,
        day,
        week,
        short_day,
        month,
        month_name,
        short_month,
        year,
        percent,
        score,
        thousands,
        times,
        slug,
        sentence,
    )
}
TESTS = {"at_least_a_minute": at_least_a_minute}
