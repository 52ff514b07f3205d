"""Attendance as pages and the REST API show it: a fixed number of statements each, whatever the school's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as date_type
from typing import TypeAlias

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Mark, Status

from .attendance import mark_of
from .daily import CAME, DAY, day_rank
from .tables import lectures, marks, people

Connection: TypeAlias = AsyncConnection
"""For those who ask several things of one moment."""


@dataclass(frozen=True, slots=True)
class Named:
    """A mark with the name of the person it is about."""

    mark: Mark
    name: str


async def tallies(connection: AsyncConnection, date: str) -> dict[str, dict[Status, int]]:
    """How many marks of each status every lecture of the local date has, by lecture id."""
    query = (
        select(marks.c.lecture, marks.c.status, func.count())
        .where(marks.c.date == date)
        .group_by(marks.c.lecture, marks.c.status)
    )
    found: dict[str, dict[Status, int]] = {}
    for lecture, status, count in await connection.execute(query):
        found.setdefault(lecture, {})[Status(status)] = count
    return found


async def held(connection: AsyncConnection, first: date_type, last: date_type) -> dict[str, int]:
    """How many lectures have marks on each local date from `first` to `last`."""
    query = (
        select(lectures.c.date, func.count())
        .where(lectures.c.date.between(first.isoformat(), last.isoformat()))
        .group_by(lectures.c.date)
    )
    return {row[0]: row[1] for row in await connection.execute(query)}


async def span(connection: AsyncConnection) -> tuple[date_type, date_type] | None:
    """The first and the last local date that have marks; None without any."""
    first = (await connection.execute(select(func.min(marks.c.date)))).scalar()
    last = (await connection.execute(select(func.max(marks.c.date)))).scalar()
    return (date_type.fromisoformat(first), date_type.fromisoformat(last)) if first and last else None


async def neighbours(connection: AsyncConnection, date: str) -> tuple[str | None, str | None]:
    """The nearest local dates before and after `date` that have marks."""
    before = select(func.max(marks.c.date)).where(marks.c.date < date).scalar_subquery()
    after = select(func.min(marks.c.date)).where(marks.c.date > date).scalar_subquery()
    row = (await connection.execute(select(before, after))).one()
    return row[0], row[1]


async def roll(connection: AsyncConnection, date: str, lecture: str) -> list[Named]:
    """Every mark of a lecture with names, in no particular order."""
    query = (
        select(marks, people.c.name)
        .join(people, people.c.id == marks.c.person)
        .where(marks.c.date == date, marks.c.lecture == lecture)
    )
    return [_named(row) for row in await connection.execute(query)]


async def one(connection: AsyncConnection, lecture: str, person: str) -> Named | None:
    """The mark of one person in one lecture."""
    query = (
        select(marks, people.c.name)
        .join(people, people.c.id == marks.c.person)
        .where(marks.c.person == person, marks.c.lecture == lecture)
    )
    row = (await connection.execute(query)).first()
    return _named(row) if row else None


async def arrivals(
    connection: AsyncConnection, date: str, lectures: Sequence[str], limit: int
) -> dict[str, list[Named]]:
    """The `limit` people who came last to each of `lectures`, latest first."""
    order = func.row_number().over(partition_by=marks.c.lecture, order_by=(marks.c.first.desc(), marks.c.person))
    came = (
        select(marks, people.c.name, order.label("place"))
        .join(people, people.c.id == marks.c.person)
        .where(marks.c.date == date, marks.c.lecture.in_(lectures), marks.c.status.in_(CAME))
        .subquery()
    )
    query = select(came).where(came.c.place <= limit).order_by(came.c.lecture, came.c.place)
    found: dict[str, list[Named]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.lecture, []).append(_named(row))
    return found


async def days_of(connection: AsyncConnection, person: str) -> dict[str, Status]:
    """What each local date that has marks of the person amounts to, in order."""
    query = (
        select(marks.c.date, day_rank()).where(marks.c.person == person).group_by(marks.c.date).order_by(marks.c.date)
    )
    return {date: DAY[rank] for date, rank in await connection.execute(query)}


async def latest_of(connection: AsyncConnection, person: str, limit: int) -> list[Mark]:
    """The person's last `limit` decided marks, latest lecture first: a lecture's id begins with its date and hour."""
    query = (
        select(marks)
        .where(marks.c.person == person, marks.c.status != Status.OPEN)
        .order_by(marks.c.lecture.desc())
        .limit(limit)
    )
    return [mark_of(row._mapping) for row in await connection.execute(query)]


def _named(row: Row[*tuple[object, ...]]) -> Named:
    return Named(mark_of(row._mapping), row._mapping["name"])
