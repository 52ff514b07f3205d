"""Days, lectures and marks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as Date  # noqa: N812  # fields below are called date
from datetime import timedelta
from typing import Annotated

from aiohttp import web

from hub.attendance.records import Status
from hub.db import daily, listing, overview
from hub.db.listing import Row
from hub.overview.lectures import LectureTally, date_of, lecture_called, lectures_on
from hub.overview.tally import Tally
from hub.web.keys import view_of
from hub.web.problems import Problem

from . import records
from .paging import Page, Paged, page, position
from .shapes import EARLIEST, LATEST, Text

LONGEST = 31
"""Days that one answer covers at most."""


@dataclass(frozen=True, slots=True)
class DaysQuery:
    first: Annotated[Date | None, "The first day; by default two weeks before the last."] = None
    last: Annotated[Date | None, "The last day, at most 30 after the first; by default today."] = None


@dataclass(frozen=True, slots=True)
class LecturesQuery:
    date: Annotated[Date | None, "The school's local date; by default today."] = None


@dataclass(frozen=True, slots=True)
class MarkQuery(Paged):
    date: Annotated[Date | None, "The school's local date; by default today, with a person or a lecture any."] = None
    lecture: Annotated[str | None, Text(200), "Only of this lecture, by id."] = None
    person: Annotated[str | None, Text(200), "Only of this person."] = None
    status: Annotated[Status | None, "Only of this status."] = None


@dataclass(frozen=True, slots=True)
class Days:
    """The days that have marks, in order."""

    items: tuple[records.Day, ...]


@dataclass(frozen=True, slots=True)
class Lectures:
    """The lectures of a day, by time, room and class."""

    items: tuple[records.Lecture, ...]


async def days(request: web.Request, query: DaysQuery) -> Days:
    """The days that have marks, up to 31 at once, with how many people came."""
    view = view_of(request)
    first = query.first or (query.last or view.today) - timedelta(days=14)
    last = query.last or min(max(first, view.today), first + timedelta(days=LONGEST - 1))
    if not 0 <= (last - first).days < LONGEST:
        raise Problem(400, f"from {first} to {last} are not 1 to {LONGEST} days", hint="ask for less at once")
    async with view.database.read() as connection:
        people = await daily.between(connection, first, last)
        held = await overview.held(connection, first, last)
    return Days(
        tuple(
            records.Day(Date.fromisoformat(day), held.get(day, 0), _counts(Tally.of(people[day])))
            for day in sorted(people)
        )
    )


async def day(request: web.Request, date: Date) -> records.DayDetails:
    """One day with all of its lectures."""
    view = view_of(request)
    async with view.database.read() as connection:
        held = await lectures_on(view, connection, date)
        people = await daily.between(connection, date, date)
    counts = _counts(Tally.of(people.get(date.isoformat(), {})))
    return records.DayDetails(date, counts, tuple(_lecture(one) for one in held))


async def lectures(request: web.Request, query: LecturesQuery) -> Lectures:
    """The lectures of a day, by time, room and class."""
    view = view_of(request)
    date = query.date or view.today
    async with view.database.read() as connection:
        held = await lectures_on(view, connection, date)
    return Lectures(tuple(_lecture(one) for one in held))


async def lecture(request: web.Request, lecture: str) -> records.Lecture:
    """One lecture with the counts of its marks."""
    view = view_of(request)
    date = date_of(lecture)
    found = None
    if date is not None and EARLIEST <= date <= LATEST:
        async with view.database.read() as connection:
            tallies = await overview.tallies(connection, date.isoformat())
            found = await lecture_called(view, connection, lecture, tallies.get(lecture, {}))
    if found is None:
        raise Problem(404, "there is no such lecture", hint="/api/v1/lectures lists a day's")
    return _lecture(found)


async def marks(request: web.Request, query: MarkQuery) -> Page[records.Mark]:
    """Who was present, late or absent, by lecture and person; a lecture's id begins with its date and hour."""
    view = view_of(request)
    date = query.date
    if query.lecture is not None:
        of_lecture = date_of(query.lecture)
        if of_lecture is None or date not in (None, of_lecture):
            return Page((), None)
        date = of_lecture
    elif date is None and query.person is None:
        date = view.today
    async with view.database.read() as connection:
        rows = await listing.marked(
            connection,
            after=position(query.after, str, str),
            limit=query.limit,
            date=date.isoformat() if date else None,
            person=query.person,
            lecture=query.lecture,
            status=query.status,
        )
    return page(rows, query.limit, lambda row: (row["lecture"], row["person"]), _mark)


def _lecture(found: LectureTally) -> records.Lecture:
    return records.Lecture(
        found.id,
        found.date,
        found.name,
        found.class_name,
        found.room,
        found.start,
        found.end,
        found.phase,
        found.planned,
        _counts(found.tally),
    )


def _counts(tally: Tally) -> records.Counts:
    return records.Counts(**{name: getattr(tally, name) for name in records.Counts.__slots__})


def _mark(row: Row) -> records.Mark:
    values = {name: row[name] for name in records.Mark.__slots__}
    return records.Mark(**values | {"date": Date.fromisoformat(row["date"]), "cameras": tuple(row["cameras"])})
