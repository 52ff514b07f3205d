"""The ledger of frames: what every camera delivered, exactly once, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, String, and_, bindparam, cast, func, literal, or_, select, union, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Span
from hub.plugin import Heartbeat

from . import school
from .dialects import elements, insert
from .tables import cameras, forgotten_frames, frames, heartbeats

BATCH = 500


class Kind(StrEnum):
    """What the file of a frame holds."""

    IMAGE = "image"
    DETECTIONS = "detections"


class Outcome(StrEnum):
    PENDING = "pending"
    RECOGNISED = "recognised"
    EMPTY = "empty"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame in the ledger that waits for recognition. `captured_at` is UTC, corrected for skew."""

    id: str
    camera: str
    epoch: int
    seq: int
    kind: Kind
    captured_at: datetime
    received_at: datetime
    live: bool
    origin: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A new row: the frame, how far its camera's clock ran ahead, its size in bytes, its school year and its CRC-32."""

    frame: Pending
    skew: timedelta
    size: int
    academic_year: str
    checksum: int | None = None


_PENDING, _REJECTED = (
    frames.c.outcome == literal(outcome.value, literal_execute=True) for outcome in (Outcome.PENDING, Outcome.REJECTED)
)
"""As literals: SQLite uses a partial index only where it can see that the condition implies the index's."""

Number = tuple[str, int, int]
"""Camera, epoch, sequence number: what a frame is to its camera."""


async def add(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Enters new frames as pending. Raises IntegrityError if one is known already."""
    rows = [
        {
            "id": entry.frame.id,
            "academic_year": entry.academic_year,
            "camera": entry.frame.camera,
            "epoch": entry.frame.epoch,
            "seq": entry.frame.seq,
            "kind": entry.frame.kind,
            "captured_at": entry.frame.captured_at,
            "skew_ms": round(entry.skew / timedelta(milliseconds=1)),
            "received_at": entry.frame.received_at,
            "live": entry.frame.live,
            "origin": entry.frame.origin,
            "bytes": entry.size,
            "checksum": entry.checksum,
            "outcome": Outcome.PENDING,
            "reason": "",
            "faces": 0,
            "too_small": 0,
        }
        for entry in entries
    ]
    await connection.execute(frames.insert().values(school_id=school.here()), rows)


async def find(connection: AsyncConnection, numbers: Iterable[Number]) -> dict[Number, str | None]:
    """The ids of those frames that are in the ledger, whatever became of them; None of those it had until retention."""
    listed = json.dumps(sorted(set(numbers)))
    found = await connection.execute(_finding(connection.dialect.name), {"numbers": listed})
    return {(camera, epoch, seq): frame for camera, epoch, seq, frame in found}


@cache
def _finding(dialect: str) -> Select[Any]:
    """One statement for any number of frames: compiling another each time cost more than all the rest of a delivery."""
    number = elements(dialect, bindparam("numbers", type_=String))
    parts = [number.op("->>")(literal(index, literal_execute=True)) for index in range(3)]
    names = [frames.c.camera, frames.c.epoch, frames.c.seq]
    wanted = select(*(cast(part, name.type).label(name.name) for part, name in zip(parts, names, strict=True))).cte()
    table = forgotten_frames.c
    nearest = (
        select(table.first)
        .where(table.camera == wanted.c.camera, table.epoch == wanted.c.epoch, table.last >= wanted.c.seq)
        .order_by(table.last)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(*wanted.c, frames.c.id)
        .outerjoin(frames, and_(*(name == wanted.c[name.name] for name in names)))
        .where(or_(frames.c.id.is_not(None), nearest <= wanted.c.seq))
    )


async def pending(connection: AsyncConnection) -> list[Pending]:
    """Frames that wait for recognition, in the order they arrived.

    Sorted here: asked for an order, SQLite goes through all frames rather than the index of those that wait.
    """
    columns = [frames.c[name] for name in Pending.__slots__]
    rows = await connection.execute(select(*columns).where(_PENDING))
    waiting = [Pending(row[0], row[1], row[2], row[3], Kind(row[4]), *row[5:]) for row in rows]
    return sorted(waiting, key=lambda frame: frame.id)


async def count_pending(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(frames).where(_PENDING))).scalar_one())


@dataclass(frozen=True, slots=True)
class Concluded:
    """What observations of a frame inherit from it."""

    id: str
    camera: str
    captured_at: datetime
    school_id: str
    academic_year: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a frame; `reason` is a sentence for staff, where there is something to say.

    `model_id` is what looked at it, None where nothing did.
    """

    frame_id: str
    outcome: Outcome
    reason: str
    faces: int
    too_small: int
    model_id: str | None = None


async def conclude(connection: AsyncConnection, verdicts: Sequence[Verdict], at: datetime) -> dict[str, Concluded]:
    """Writes down verdicts on pending frames and returns those frames; a frame already concluded is left alone."""
    columns = [frames.c[name] for name in Concluded.__slots__]
    open_frames: dict[str, Concluded] = {}
    for start in range(0, len(verdicts), BATCH):
        ids = [verdict.frame_id for verdict in verdicts[start : start + BATCH]]
        query = select(*columns).where(frames.c.id.in_(ids), frames.c.outcome == Outcome.PENDING).with_for_update()
        open_frames |= {row.id: Concluded(*row) for row in await connection.execute(query)}
    rows = [
        {
            "frame_id": verdict.frame_id,
            "new_outcome": verdict.outcome,
            "new_reason": verdict.reason,
            "new_faces": verdict.faces,
            "new_too_small": verdict.too_small,
            "new_model_id": verdict.model_id,
            "now": at,
        }
        for verdict in verdicts
        if verdict.frame_id in open_frames
    ]
    if rows:
        statement = (
            update(frames)
            .where(frames.c.id == bindparam("frame_id"))
            .values(
                outcome=bindparam("new_outcome"),
                reason=bindparam("new_reason"),
                faces=bindparam("new_faces"),
                too_small=bindparam("new_too_small"),
                model_id=bindparam("new_model_id"),
                concluded_at=bindparam("now"),
            )
        )
        await connection.execute(statement, rows)
    return open_frames


async def watched(connection: AsyncConnection, signals: Sequence[tuple[str, Heartbeat]], received_at: datetime) -> None:
    """Enters heartbeats of cameras; the same one again changes nothing."""
    rows = {
        (camera, beat.until): {"camera": camera, "until": beat.until, "lens": beat.lens, "received_at": received_at}
        for camera, beat in signals
    }
    newest = {
        camera: {"id": camera, "watermark": until, "lens": row["lens"], "last_seen": received_at}
        for (camera, until), row in sorted(rows.items(), key=lambda item: item[0])
    }
    await connection.execute(
        insert(connection, heartbeats).on_conflict_do_nothing(index_elements=["camera", "until"]), list(rows.values())
    )
    statement = insert(connection, cameras)
    new = statement.excluded
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={"watermark": new.watermark, "lens": new.lens, "last_seen": new.last_seen},
            where=cameras.c.watermark < new.watermark,
        ),
        list(newest.values()),
    )


async def watermarks(connection: AsyncConnection) -> dict[str, datetime]:
    """Until when everything each camera saw has been delivered *and* recognised."""
    waiting = (
        select(frames.c.camera, func.min(frames.c.captured_at).label("oldest"))
        .where(_PENDING)
        .group_by(frames.c.camera)
        .subquery()
    )
    query = select(cameras.c.id, cameras.c.watermark, waiting.c.oldest).outerjoin(
        waiting, waiting.c.camera == cameras.c.id
    )
    return {
        row.id: row.watermark if row.oldest is None else min(row.watermark, row.oldest)
        for row in await connection.execute(query)
    }


_SEEING: Final = func.coalesce(heartbeats.c.lens, 1.0) > 0
"""Heartbeats of a camera that was not covered; one that knows nothing of its lens is believed."""


async def signals(
    connection: AsyncConnection, of: Sequence[str], start: datetime, end: datetime
) -> dict[str, list[datetime]]:
    """When in [start, end] each of these cameras is known to have watched, in order.

    Frames that were not rejected say so, and heartbeats of a lens that sees.
    """
    seen = select(frames.c.camera, frames.c.captured_at.label("at")).where(
        frames.c.camera.in_(of), frames.c.captured_at.between(start, end), frames.c.outcome != Outcome.REJECTED
    )
    beats = select(heartbeats.c.camera, heartbeats.c.until).where(
        heartbeats.c.camera.in_(of), heartbeats.c.until.between(start, end), _SEEING
    )
    both = union(seen, beats).subquery()
    found: dict[str, list[datetime]] = {camera: [] for camera in of}
    for camera, at in await connection.execute(select(both.c.camera, both.c.at).order_by(both.c.camera, both.c.at)):
        found[camera].append(at)
    return found


async def unseen(
    connection: AsyncConnection, of: Sequence[str], start: datetime, end: datetime
) -> dict[str, list[Span]]:
    """When in [start, end] something was to be seen at each of these cameras that nobody has looked at: from each frame
    that waits to be recognised, or never was, to the next that has been, or to `end`. Only cameras that have such.

    What has been looked at is sought between each of them and the next, so that no frame is read twice.
    """
    moments = select(frames.c.camera, frames.c.captured_at)
    moments = moments.where(frames.c.camera.in_(of), frames.c.captured_at.between(start, end))
    missed = union_all(moments.where(_PENDING), moments.where(_REJECTED)).subquery()
    following = func.lead(missed.c.captured_at).over(partition_by=missed.c.camera, order_by=missed.c.captured_at)
    until = func.coalesce(following, literal(end, frames.c.captured_at.type)).label("until")
    reach = select(missed.c.camera, missed.c.captured_at, until).subquery()
    looked = (
        select(frames.c.captured_at)
        .where(
            frames.c.camera == reach.c.camera,
            frames.c.captured_at.between(reach.c.captured_at, reach.c.until),
            frames.c.outcome.in_((Outcome.RECOGNISED, Outcome.EMPTY)),
        )
        .order_by(frames.c.captured_at)
        .limit(1)
        .scalar_subquery()
    )
    latest_first = select(reach.c.camera, reach.c.captured_at, looked)
    latest_first = latest_first.order_by(reach.c.captured_at.desc(), reach.c.until.desc())
    found: dict[str, list[Span]] = {}
    for camera, at, seen in await connection.execute(latest_first):
        spans = found.setdefault(camera, [])
        spans.append(Span(at, seen or (spans[-1].end if spans else end)))
    return {camera: spans[::-1] for camera, spans in found.items()}


@dataclass(frozen=True, slots=True)
class Look:
    """From when to when (UTC) a model looked at frames; `model_id` is None where that is not known."""

    model_id: str | None
    first: datetime
    last: datetime


async def looks(connection: AsyncConnection, cameras: Sequence[str], start: datetime, end: datetime) -> list[Look]:
    """When frames that these cameras captured in [start, end] were recognised: a look a model, in order of time."""
    query = (
        select(frames.c.model_id, func.min(frames.c.concluded_at), func.max(frames.c.concluded_at))
        .where(
            frames.c.camera.in_(cameras),
            frames.c.captured_at.between(start, end),
            frames.c.outcome.in_((Outcome.RECOGNISED, Outcome.EMPTY)),
        )
        .group_by(frames.c.model_id)
    )
    return sorted((Look(*row) for row in await connection.execute(query)), key=lambda look: (look.last, look.first))


async def outcomes(connection: AsyncConnection) -> dict[Outcome, int]:
    """How many frames came to which end."""
    query = select(frames.c.outcome, func.count()).group_by(frames.c.outcome)
    return {Outcome(outcome): count for outcome, count in await connection.execute(query)}
