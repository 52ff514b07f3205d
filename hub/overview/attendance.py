"""The attendance table: a month of dates, and one day with its lectures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias

from hub.db import daily, overview

from .beginning import began
from .lectures import LectureTally, lectures_on
from .tally import Tally
from .view import View

Date: TypeAlias = date
PAGE = 100
"""Lectures of a day on one page."""


@dataclass(frozen=True, slots=True)
class DayRow:
    """`people` counts each person once, by what the day amounts to (`hub.db.daily.DAY`)."""

    date: date
    lectures: int
    people: Tally


@dataclass(frozen=True, slots=True)
class Month:
    """The dates of a month that have marks, latest first; `previous` and `next` begin months that have some."""

    first: date
    rows: tuple[DayRow, ...]
    previous: Date | None
    next: Date | None


@dataclass(frozen=True, slots=True)
class Day:
    """A local date with page `page` of `pages` of its lectures, by time; `total` is how many there are.

    `previous` and `next` are the nearest dates that have marks. `before` more lectures are left out: they were over at
    `began`, when the hub's cameras first saw anything.
    """

    date: date
    people: Tally
    lectures: tuple[LectureTally, ...]
    total: int
    page: int
    pages: int
    previous: Date | None
    next: Date | None
    before: int
    began: datetime | None


async def month(view: View, first: date | None = None) -> Month:
    """The month that begins on `first`; without it the last one that has marks and is not ahead, else this one."""
    async with view.database.read() as connection:
        if first is None:
            tomorrow = view.today + timedelta(days=1)
            latest, _ = await overview.neighbours(connection, tomorrow.isoformat())
            first = _date(latest) or view.today
        first = first.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        people = await daily.between(connection, first, last)
        held = await overview.held(connection, first, last)
        previous, _ = await overview.neighbours(connection, first.isoformat())
        _, following = await overview.neighbours(connection, last.isoformat())
    rows = tuple(
        DayRow(date.fromisoformat(day), held.get(day, 0), Tally.of(people[day])) for day in sorted(people, reverse=True)
    )
    return Month(first, rows, _month(previous), _month(following))


async def day(view: View, chosen: date, page: int = 1, *, whole: bool = False) -> Day:
    """`page` counts from 1; one past the end is the last. `whole` leaves nothing out."""
    async with view.database.read() as connection:
        lectures = await lectures_on(view, connection, chosen)
        people = await daily.between(connection, chosen, chosen)
        previous, following = await overview.neighbours(connection, chosen.isoformat())
        first = await began(view, connection, chosen)
    shown = [one for one in lectures if whole or not _unseen(one, first)]
    pages = max(1, -(-len(shown) // PAGE))
    page = min(max(page, 1), pages)
    return Day(
        date=chosen,
        people=Tally.of(people.get(chosen.isoformat(), {})),
        lectures=tuple(shown[(page - 1) * PAGE : page * PAGE]),
        total=len(shown),
        page=page,
        pages=pages,
        previous=_date(previous),
        next=_date(following),
        before=len(lectures) - len(shown),
        began=first,
    )


def _unseen(lecture: LectureTally, began: datetime | None) -> bool:
    """Whether it was over before the cameras began, and nothing else is known of it."""
    over = bool(began and lecture.end and lecture.end <= began)
    return over and lecture.tally.total == lecture.tally.not_observed


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _month(text: str | None) -> date | None:
    return date.fromisoformat(text).replace(day=1) if text else None
