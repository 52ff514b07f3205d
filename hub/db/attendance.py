"""Sightings and marks: conclusions, kept so that they can be shown, dropped and rebuilt at will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date as date_type
from typing import Any

from sqlalchemy import delete, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Mark, Sighting, Status

from . import people
from .tables import marks as marks_table
from .tables import sightings as sightings_table


async def replace_day(
    connection: AsyncConnection, date: str, sightings: Sequence[Sighting], marks: Sequence[Mark]
) -> None:
    """Makes these the conclusions of `date`, the school's local one in ISO form.

    Those of people erased since they were computed are left out.
    """
    await connection.execute(delete(sightings_table).where(sightings_table.c.date == date))
    await connection.execute(delete(marks_table).where(marks_table.c.date == date))
    present = await people.existing(connection, {s.person for s in sightings} | {m.person for m in marks})
    seen = [asdict(sighting) | {"date": date} for sighting in sightings if sighting.person in present]
    if seen:
        await connection.execute(sightings_table.insert(), seen)
    marked = [asdict(mark) | {"date": date, "cameras": list(mark.cameras)} for mark in marks if mark.person in present]
    if marked:
        await connection.execute(marks_table.insert(), marked)


async def days(connection: AsyncConnection) -> list[date_type]:
    """The local dates that have sightings or marks, in order."""
    query = union(select(sightings_table.c.date), select(marks_table.c.date))
    return sorted(date_type.fromisoformat(day) for day in (await connection.execute(query)).scalars())


async def marks_of(connection: AsyncConnection, date: str) -> list[Mark]:
    """The marks of `date`, by lecture and person."""
    query = select(marks_table).where(marks_table.c.date == date).order_by(marks_table.c.lecture, marks_table.c.person)
    return [mark_of(row._mapping) for row in await connection.execute(query)]


async def sightings_of(connection: AsyncConnection, date: str) -> list[Sighting]:
    """The sightings of `date`, by time, camera and person."""
    table = sightings_table.c
    query = (
        select(*(table[name] for name in Sighting.__slots__))
        .where(table.date == date)
        .order_by(table.first, table.camera, table.person)
    )
    return [Sighting(*row) for row in await connection.execute(query)]


async def undecided(connection: AsyncConnection) -> list[date_type]:
    """The local dates that have open marks, in order."""
    query = select(marks_table.c.date).where(marks_table.c.status == Status.OPEN).distinct()
    return sorted(date_type.fromisoformat(day) for day in (await connection.execute(query)).scalars())


def mark_of(row: Any) -> Mark:
    """The mark in a row that has the columns of the table `marks`."""
    values = {name: row[name] for name in Mark.__slots__}
    return Mark(**values | {"status": Status(values["status"]), "cameras": tuple(values["cameras"])})
