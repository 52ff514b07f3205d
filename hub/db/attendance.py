"""Sightings and marks: conclusions, kept so that they can be shown, dropped and rebuilt at will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date as date_type
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, case, delete, func, literal, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Lecture, Mark, Sighting, Status

from . import daily, people
from .dialects import insert
from .tables import lectures as lectures_table
from .tables import marks as marks_table
from .tables import sightings as sightings_table
from .tables import watched_rooms

C = TypeVar("C", bound=Sighting | Mark | Lecture)


async def replace_day(
    connection: AsyncConnection,
    date: str,
    sightings: Sequence[Sighting],
    marks: Sequence[Mark],
    lectures: Sequence[Lecture] = (),
) -> set[str]:
    """Makes these the conclusions of `date`, the school's local one in ISO form; writes only what has changed.

    Those of people erased since they were computed are left out. `lectures` are kept where they have marks.
    Answers with the ids of the lectures that have other marks now.
    """
    present = await people.existing(connection, {s.person for s in sightings} | {m.person for m in marks})
    seen = [sighting for sighting in sightings if sighting.person in present]
    await _change(connection, sightings_table, date, await sightings_of(connection, date), seen)
    marked = [mark for mark in marks if mark.person in present]
    changed = await _change(connection, marks_table, date, await marks_of(connection, date), marked)
    held = {mark.lecture for mark in marked}
    kept = [lecture for lecture in lectures if lecture.id in held]
    await connection.execute(
        delete(lectures_table).where(lectures_table.c.date == date, lectures_table.c.start.is_(None))
    )
    await _change(connection, lectures_table, date, await lectures_of(connection, date), kept)
    await daily.keep(connection, date, marked)
    return {mark.lecture for mark in changed}


async def _change(connection: AsyncConnection, table: Table, date: str, old: Sequence[C], new: Sequence[C]) -> list[C]:
    """Writes, and answers with, what differs between the conclusions there are of `date` and those there shall be."""
    keys = [column for column in table.primary_key if column.name != "date"]

    def by_key(conclusions: Sequence[C]) -> dict[tuple[object, ...], C]:
        return {tuple(getattr(one, key.name) for key in keys): one for one in conclusions}

    before, after = by_key(old), by_key(new)
    gone = {key: one for key, one in before.items() if after.get(key) != one}
    if gone:
        this = (column == bindparam(f"old_{column.name}") for column in keys)
        values = [{f"old_{column.name}": value for column, value in zip(keys, key, strict=True)} for key in gone]
        await connection.execute(delete(table).where(table.c.date == date, *this), values)
    come = [one for key, one in after.items() if before.get(key) != one]
    if come:
        await connection.execute(table.insert(), [_row(one) | {"date": date} for one in come])
    return [*gone.values(), *come]


def _row(conclusion: Sighting | Mark | Lecture) -> dict[str, object]:
    return {name: getattr(conclusion, name) for name in conclusion.__slots__}


async def days(connection: AsyncConnection) -> list[date_type]:
    """The local dates that have sightings or marks, in order."""
    query = union(select(sightings_table.c.date), select(marks_table.c.date))
    return sorted(date_type.fromisoformat(day) for day in (await connection.execute(query)).scalars())


async def without_version(connection: AsyncConnection, rule_version: str) -> frozenset[date_type]:
    """The local dates that have marks, but none of this version of the rules."""
    its_own = func.count(case((marks_table.c.rule_version == rule_version, 1)))
    query = select(marks_table.c.date).group_by(marks_table.c.date).having(its_own == 0)
    return frozenset(date_type.fromisoformat(day) for day in (await connection.execute(query)).scalars())


async def marks_of(connection: AsyncConnection, date: str) -> list[Mark]:
    """The marks of `date`, by lecture and person."""
    query = select(marks_table).where(marks_table.c.date == date).order_by(marks_table.c.lecture, marks_table.c.person)
    return [mark_of(row._mapping) for row in await connection.execute(query)]


async def lectures_of(connection: AsyncConnection, date: str) -> list[Lecture]:
    """The lectures of `date` that have marks, by time; without those of before lectures were kept."""
    table = lectures_table.c
    known = select(*(table[name] for name in Lecture.__slots__)).where(table.date == date, table.start.is_not(None))
    return [Lecture(*row) for row in await connection.execute(known.order_by(table.start, table.id))]


async def lectures_called(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Lecture]:
    """Those of the lectures `ids` that have had marks since lectures are kept, by id."""
    if not ids:
        return {}
    table = lectures_table.c
    query = select(*(table[name] for name in Lecture.__slots__)).where(table.id.in_(ids), table.start.is_not(None))
    return {lecture.id: lecture for lecture in (Lecture(*row) for row in await connection.execute(query))}


async def sightings_of(connection: AsyncConnection, date: str) -> list[Sighting]:
    """The sightings of `date`, by time, camera and person."""
    table = sightings_table.c
    query = (
        select(*(table[name] for name in Sighting.__slots__))
        .where(table.date == date)
        .order_by(table.first, table.camera, table.person)
    )
    return [Sighting(*row) for row in await connection.execute(query)]


async def undecided(connection: AsyncConnection, today: date_type) -> list[date_type]:
    """The local dates that have open marks, and those after today, in order."""
    undecided = marks_table.c.status == literal(Status.OPEN.value, literal_execute=True)  # as its index says
    to_come = marks_table.c.date > today.isoformat()
    query = union(*(select(marks_table.c.date).where(may_change) for may_change in (undecided, to_come)))
    return sorted(date_type.fromisoformat(day) for day in (await connection.execute(query)).scalars())


async def rooms(connection: AsyncConnection) -> dict[str, str]:
    """The room that each camera watched last, as far as registers have been drawn."""
    return {row.camera: row.room for row in await connection.execute(select(watched_rooms))}


async def keep_rooms(connection: AsyncConnection, watched: Mapping[str, str]) -> None:
    """From now on each of these cameras is known to watch its room."""
    known = await rooms(connection)
    new = [{"camera": camera, "room": room} for camera, room in watched.items() if known.get(camera) != room]
    if new:
        statement = insert(connection, watched_rooms)
        again = statement.on_conflict_do_update(index_elements=["camera"], set_={"room": statement.excluded.room})
        await connection.execute(again, new)


def mark_of(row: Any) -> Mark:
    """The mark in a row that has the columns of the table `marks`."""
    values = {name: row[name] for name in Mark.__slots__}
    return Mark(**values | {"status": Status(values["status"]), "cameras": tuple(values["cameras"])})
