"""What cameras saw, as pages and the REST API show it: crops, the observations behind a mark, the cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from .ledger import Outcome
from .tables import crops, frames, observations, people

NEWEST = 500
"""Crops looked at for the most recent ones: their keys are in order of the day of capture, then of storing."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A crop of somebody recognised. `captured_at` is UTC."""

    crop: str
    captured_at: datetime
    camera: str
    person: str
    name: str


@dataclass(frozen=True, slots=True)
class Observed:
    """A face that was called a person. `crop` is None once retention has removed it; sizes in pixels."""

    id: str
    captured_at: datetime
    camera: str
    score: float
    threshold: float | None
    margin: float | None
    alone: bool
    size: float
    model_id: str
    policy_version: str
    crop: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """When and where a person was last seen, UTC."""

    at: datetime
    camera: str
    crop: str | None


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What the ledger knows of a camera. `last_frame` by capture, UTC; counts: in the time asked for, or waiting."""

    last_frame: datetime | None
    frames: int
    recognised: int
    rejected: int
    waiting: int


async def recent(connection: AsyncConnection, limit: int) -> list[Shot]:
    """The last crops by capture, newest first."""
    newest = select(crops.c.observation_id).order_by(crops.c.key.desc()).limit(NEWEST).subquery()
    query = _shots().where(observations.c.id.in_(select(newest.c.observation_id)))
    query = query.order_by(observations.c.captured_at.desc(), observations.c.id).limit(limit)
    return [Shot(*row) for row in await connection.execute(query)]


async def shown(connection: AsyncConnection, key: str) -> bool:
    """Whether this is the key of an evidence crop that is still to be shown: retention and erasure end that."""
    return (await connection.execute(select(crops.c.key).where(crops.c.key == key))).scalar() is not None


async def of_person(
    connection: AsyncConnection, person: str, places: Sequence[str], start: datetime, end: datetime, limit: int
) -> list[Observed]:
    """The person's observations at the cameras `places`, captured in [start, end), by time; at most `limit`."""
    table = observations.c
    query = (
        select(*(table[name] for name in Observed.__slots__))
        .where(table.person == person, table.captured_at >= start, table.captured_at < end, table.camera.in_(places))
        .order_by(table.captured_at, table.id)
        .limit(limit)
    )
    return [Observed(*row) for row in await connection.execute(query)]


async def last_seen(connection: AsyncConnection, persons: Sequence[str]) -> dict[str, Seen]:
    """When each of `persons` was last seen; who never was is left out."""
    table = observations.c
    last = (
        select(table.id)
        .where(table.person == people.c.id)
        .order_by(table.captured_at.desc())
        .limit(1)
        .correlate(people)
        .scalar_subquery()
    )
    newest = select(last.label("id")).select_from(people).where(people.c.id.in_(persons)).subquery()
    query = select(table.person, table.captured_at, table.camera, table.crop).join(newest, newest.c.id == table.id)
    return {person: Seen(at, camera, crop) for person, at, camera, crop in await connection.execute(query)}


async def seen_by(connection: AsyncConnection, person: str) -> dict[str, int]:
    """How often each camera saw the person, most often first."""
    count = func.count()
    query = (
        select(observations.c.camera, count)
        .where(observations.c.person == person)
        .group_by(observations.c.camera)
        .order_by(count.desc(), observations.c.camera)
    )
    return {row[0]: row[1] for row in await connection.execute(query)}


async def camera_facts(connection: AsyncConnection, places: Sequence[str], since: datetime) -> dict[str, CameraFacts]:
    """What the ledger knows of each of `places`; the counts are of frames captured since `since` or waiting."""
    if not places:
        return {}
    # One term a camera, each by the index on (camera, captured_at): grouping would read every frame there is.
    last = union_all(
        *(
            select(
                literal(place).label("camera"),
                select(func.max(frames.c.captured_at)).where(frames.c.camera == place).scalar_subquery().label("at"),
            )
            for place in places
        )
    ).subquery()
    lasts = {row[0]: row[1] for row in await connection.execute(select(last.c.camera, last.c.at))}
    pending = frames.c.outcome == literal(Outcome.PENDING.value, literal_execute=True)
    since_then = select(frames.c.camera, frames.c.outcome).where(frames.c.captured_at >= since)
    before = select(frames.c.camera, frames.c.outcome).where(frames.c.captured_at < since, pending)
    each = union_all(*(one.where(frames.c.camera.in_(places)) for one in (since_then, before))).subquery()
    counted = select(each.c.camera, each.c.outcome, func.count()).group_by(each.c.camera, each.c.outcome)
    counts: dict[str, dict[str, int]] = {place: {} for place in places}
    for camera, outcome, count in await connection.execute(counted):
        counts[camera][outcome] = count
    return {
        place: CameraFacts(
            lasts[place],
            sum(counts[place].values()),
            counts[place].get(Outcome.RECOGNISED, 0),
            counts[place].get(Outcome.REJECTED, 0),
            counts[place].get(Outcome.PENDING, 0),
        )
        for place in places
    }


def _shots() -> Select[str, datetime, str, str, str]:
    table = observations.c
    return (
        select(crops.c.key, table.captured_at, table.camera, people.c.id, people.c.name)
        .join(observations, table.id == crops.c.observation_id)
        .join(people, people.c.id == table.person)
    )
