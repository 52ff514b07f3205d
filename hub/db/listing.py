"""Pages of rows for the REST API: each begins after a key, so that it costs the same wherever it lies.

Every function answers up to `limit` + 1 rows by column name: the one too many says that there is a next page.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import enrolment_images, frames, marks, observations, sightings, templates
from .tables import people as people_table

Row = dict[str, Any]
Key = tuple[Any, ...] | None

_ENROLMENT = ("id", "person", "state", "reason", "model_id", "quality", "created_at")
_FRAME = (
    "id",
    "camera",
    "epoch",
    "seq",
    "captured_at",
    "received_at",
    "bytes",
    "outcome",
    "reason",
    "faces",
    "too_small",
)


async def people(
    connection: AsyncConnection, *, after: Key, limit: int, class_name: str | None = None, person: str | None = None
) -> list[Row]:
    """By id; `images` is how many pictures the newest template rests on, None without one."""
    newest = (
        select(templates.c.images)
        .where(templates.c.person == people_table.c.id)
        .order_by(templates.c.updated_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    table = people_table.c
    query = select(table.id, table.name, table.class_name, newest.label("images"))
    wanted = _equal((table.class_name, class_name), (table.id, person))
    return await _rows(connection, query.where(*wanted), (table.id,), after, limit)


async def enrolments(
    connection: AsyncConnection, *, after: Key, limit: int, person: str | None = None, state: str | None = None
) -> list[Row]:
    """What became of photographs, in the order they were first judged."""
    table = enrolment_images.c
    query = select(*(table[name] for name in _ENROLMENT)).where(*_equal((table.person, person), (table.state, state)))
    return await _rows(connection, query, (table.id,), after, limit)


async def observed(
    connection: AsyncConnection,
    *,
    after: Key,
    limit: int,
    between: tuple[datetime, datetime] | None = None,
    person: str | None = None,
    camera: str | None = None,
) -> list[Row]:
    """Observations by time; of a `person`, or captured in [start, end), or both."""
    table = observations.c
    query = select(observations).where(*_equal((table.person, person), (table.camera, camera)))
    if between is not None:
        query = query.where(table.captured_at >= between[0], table.captured_at < between[1])
    return await _rows(connection, query, (table.captured_at, table.id), after, limit)


async def observation(connection: AsyncConnection, id: str) -> Row | None:  # noqa: A002
    return await _one(connection, select(observations).where(observations.c.id == id)) if _is_id(id) else None


async def sighted(
    connection: AsyncConnection,
    *,
    date: str,
    after: Key,
    limit: int,
    person: str | None = None,
    camera: str | None = None,
) -> list[Row]:
    """The sightings of a day, by person, camera and time."""
    table = sightings.c
    query = select(sightings).where(table.date == date, *_equal((table.person, person), (table.camera, camera)))
    return await _rows(connection, query, (table.person, table.camera, table.first), after, limit)


async def marked(
    connection: AsyncConnection,
    *,
    after: Key,
    limit: int,
    date: str | None = None,
    person: str | None = None,
    lecture: str | None = None,
    status: str | None = None,
) -> list[Row]:
    """Marks by lecture, which is by time, and person; of a `date`, of a `person`, or both."""
    table = marks.c
    wanted = _equal((table.date, date), (table.person, person), (table.lecture, lecture), (table.status, status))
    return await _rows(connection, select(marks).where(*wanted), (table.lecture, table.person), after, limit)


async def frame(connection: AsyncConnection, id: str) -> Row | None:  # noqa: A002
    return await _one(connection, _frames().where(frames.c.id == id)) if _is_id(id) else None


async def numbered(connection: AsyncConnection, camera: str, epoch: int, seq: int) -> Row | None:
    """The frame that its camera calls (epoch, seq), with what `is_of` asks for."""
    wanted = and_(frames.c.camera == camera, frames.c.epoch == epoch, frames.c.seq == seq)
    return await _one(connection, _frames().add_columns(frames.c.checksum).where(wanted))


def is_of(row: Row, image: bytes) -> bool:
    """Whether the frame that `numbered` found is this image: by length and, unless it is older than that, CRC-32.

    A checksum tells faults apart, not forgeries: whoever may send as the camera gains nothing by one, since what was
    stored first stays. A stronger hash would tell for months what a picture was that is long deleted.
    """
    return row["bytes"] == len(image) and row["checksum"] in (None, zlib.crc32(image))


def _is_id(text: str) -> bool:
    """PostgreSQL refuses to look for anything else."""
    with suppress(ValueError):
        return bool(uuid.UUID(text))
    return False


def _frames() -> Select[Any]:
    return select(*(frames.c[name] for name in _FRAME))


def _equal(*wanted: tuple[ColumnElement[Any], Any]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in wanted if value is not None]


async def _rows(
    connection: AsyncConnection, query: Select[Any], order: Sequence[ColumnElement[Any]], after: Key, limit: int
) -> list[Row]:
    if after is not None:
        key = [literal(value, column.type) for column, value in zip(order, after, strict=True)]
        # The first part again on its own: databases find their way into an index by it.
        query = query.where(order[0] >= key[0], tuple_(*order) > tuple_(*key))
    found = await connection.execute(query.order_by(*order).limit(limit + 1))
    return [dict(row) for row in found.mappings()]


async def _one(connection: AsyncConnection, query: Select[Any]) -> Row | None:
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else dict(row)
