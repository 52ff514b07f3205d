"""Observations: frame × face, the facts that everything later is a function of."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Observation
from hub.plugin import Box, Quality

from . import consent, outbox
from .ledger import Concluded
from .tables import crops, marks, observations, sightings

BATCH = 500


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop that storage holds under `key` until `expires_at`; both moments are UTC."""

    key: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A judged face, as it is stored. `person` is None for somebody unknown; only somebody known has a `crop`."""

    box: Box
    detector_score: float
    quality: Quality
    person: str | None
    score: float | None
    margin: float | None
    threshold: float | None
    alone: bool
    model_id: str
    policy_version: str
    crop: Crop | None = None


def observation_id(frame_id: str, face: int) -> str:
    """Derived from what it is, so that it can be said before it is stored, and is the same when done again."""
    return str(uuid.uuid5(uuid.UUID(frame_id), str(face)))


async def add(
    connection: AsyncConnection,
    frames: Mapping[str, Concluded],
    faces: Mapping[str, Sequence[FaceRecord]],
    now: datetime,
) -> list[str]:
    """Stores the faces of each frame with the rows of their crops; returns the observations' ids.

    Somebody erased since the frame was judged, or whose consent does not stand at `now`, is stored as unknown.
    """
    named = {face.person for found in faces.values() for face in found if face.person is not None}
    present = await consent.granted(connection, named, now)
    rows = []
    evidence = []
    for frame_id, found in faces.items():
        frame = frames[frame_id]
        for index, face in enumerate(found):
            known = face.person in present
            row = {
                "id": observation_id(frame_id, index),
                "frame_id": frame_id,
                "school_id": frame.school_id,
                "academic_year": frame.academic_year,
                "camera": frame.camera,
                "captured_at": frame.captured_at,
                "x": face.box.x,
                "y": face.box.y,
                "w": face.box.w,
                "h": face.box.h,
                "detector_score": face.detector_score,
                "size": face.quality.size,
                "sharpness": face.quality.sharpness,
                "yaw": face.quality.yaw,
                "pitch": face.quality.pitch,
                "roll": face.quality.roll,
                "person": face.person if known else None,
                "score": face.score,
                "margin": face.margin,
                "threshold": face.threshold,
                "alone": face.alone and known,
                "model_id": face.model_id,
                "policy_version": face.policy_version,
                "crop": face.crop.key if face.crop and known else None,
            }
            rows.append(row)
            if face.crop and known:
                evidence.append(
                    {
                        "key": face.crop.key,
                        "observation_id": row["id"],
                        "created_at": face.crop.created_at,
                        "expires_at": face.crop.expires_at,
                    }
                )
    if rows:
        await connection.execute(observations.insert(), rows)
    if evidence:
        await connection.execute(crops.insert(), evidence)
    return [str(row["id"]) for row in rows]


async def between(connection: AsyncConnection, start: datetime, end: datetime) -> list[Observation]:
    """Observations of known people captured in [start, end), by time; UTC."""
    table = observations.c
    query = (
        select(table.captured_at, table.camera, table.person, table.id, table.score, table.alone, table.crop)
        .where(table.captured_at >= start, table.captured_at < end, table.person.is_not(None))
        .order_by(table.captured_at, table.id)
    )
    return [Observation(*row) for row in await connection.execute(query)]


async def span(connection: AsyncConnection) -> tuple[datetime, datetime] | None:
    """When the first and the last observation of a known person were captured, UTC; None without any."""
    known = select(observations.c.captured_at).where(observations.c.person.is_not(None))
    first = (await connection.execute(known.order_by(observations.c.captured_at).limit(1))).scalar()
    last = (await connection.execute(known.order_by(observations.c.captured_at.desc()).limit(1))).scalar()
    return (first, last) if first and last else None


async def expired_crops(connection: AsyncConnection, now: datetime, keep: timedelta, limit: int) -> list[str]:
    """The keys of crops past their retention, or stored more than `keep` ago."""
    past = or_(crops.c.expires_at <= now, crops.c.created_at <= now - keep)
    return list((await connection.execute(select(crops.c.key).where(past).limit(limit))).scalars())


async def crops_of(connection: AsyncConnection, person: str) -> list[str]:
    """The keys of every crop that shows the person."""
    query = select(crops.c.key).join(observations).where(observations.c.person == person).order_by(crops.c.key)
    return list((await connection.execute(query)).scalars())


async def shown(connection: AsyncConnection, persons: Iterable[str]) -> frozenset[str]:
    """Those of `persons` of whom there is a crop."""
    wanted = sorted(set(persons))
    found: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        query = select(observations.c.person).where(
            observations.c.person.in_(wanted[start : start + BATCH]), observations.c.crop.is_not(None)
        )
        found |= set((await connection.execute(query.distinct())).scalars())
    return frozenset(found)


async def kept_crops(connection: AsyncConnection, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that have a row."""
    kept: set[str] = set()
    for start in range(0, len(keys), BATCH):
        kept |= set(
            (await connection.execute(select(crops.c.key).where(crops.c.key.in_(keys[start:][:BATCH])))).scalars()
        )
    return kept


async def drop_crops(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Removes the rows of crops that are gone; what pointed at them stays, without the pointer.

    The hours in which they were captured are an event: other crops may show what those showed.
    """
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        shown = select(crops.c.observation_id).where(crops.c.key.in_(batch))
        captured = (
            await connection.execute(select(observations.c.captured_at).where(observations.c.id.in_(shown)))
        ).scalars()
        hours = {moment.replace(minute=0, second=0, microsecond=0) for moment in captured}
        if hours:
            await outbox.append(connection, "crops", {"hours": [hour.isoformat() for hour in sorted(hours)]})
        await connection.execute(update(observations).where(observations.c.id.in_(shown)).values(crop=None))
        for table in (sightings, marks):
            await connection.execute(update(table).where(table.c.crop.in_(batch)).values(crop=None))
        await connection.execute(crops.delete().where(crops.c.key.in_(batch)))
