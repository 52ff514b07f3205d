"""The end of facts: days past retention are frozen, then what they were concluded from goes, a batch a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Span

from .dialects import insert
from .ledger import Number, Outcome
from .tables import crops, forgotten_frames, frames, frozen_days, heartbeats, marks, observations, sightings

BATCH = 500


@dataclass(frozen=True, slots=True)
class Past:
    """A frame whose time is over."""

    id: str
    camera: str
    epoch: int
    seq: int
    live: bool


async def cameras(connection: AsyncConnection) -> list[str]:
    """Every camera there are facts of; by steps through an index, however many facts there are."""
    found: set[str] = set()
    for column in (frames.c.camera, heartbeats.c.camera):
        camera: str | None = ""
        while camera is not None:
            found.add(camera)
            camera = (await connection.execute(select(func.min(column)).where(column > camera))).scalar()
    return sorted(found - {""})


async def first(connection: AsyncConnection, of: Sequence[str], start: datetime, end: datetime) -> datetime | None:
    """When the first fact of these cameras in [start, end) was captured, if there is any."""
    span = Span(start, end)
    queries = (
        select(func.min(frames.c.captured_at)).where(*_frames(of, span)),
        select(func.min(heartbeats.c.until)).where(*_beats(of, span)),
    )
    moments = [(await connection.execute(query)).scalar() for query in queries]
    return min((moment for moment in moments if moment is not None), default=None)


async def arriving(connection: AsyncConnection, of: Sequence[str], span: Span, received: Span) -> bool:
    """Whether facts captured in `span` wait to be recognised, or came to the hub in `received`."""
    frame = exists().where(
        *_frames(of, span),
        or_(frames.c.outcome == Outcome.PENDING, frames.c.received_at.between(received.start, received.end)),
    )
    beat = exists().where(*_beats(of, span), heartbeats.c.received_at.between(received.start, received.end))
    return bool((await connection.execute(select(or_(frame, beat)))).scalar())


async def is_frozen(connection: AsyncConnection, day: date) -> bool:
    return (await connection.execute(_frozen().where(frozen_days.c.date == day.isoformat()))).first() is not None


async def frozen(connection: AsyncConnection) -> frozenset[date]:
    """The local dates whose facts are gone."""
    return frozenset(date.fromisoformat(day) for day in (await connection.execute(_frozen())).scalars())


async def freeze(connection: AsyncConnection, day: date, at: datetime) -> None:
    """From now on the day's marks stay as they are, and those of the day before, which end within it.

    Its sightings go: where somebody was is not kept longer than what it was seen in.
    """
    before = date.fromordinal(day.toordinal() - 1).isoformat()
    days = [day.isoformat()]
    if (await connection.execute(select(marks.c.date).where(marks.c.date == before).limit(1))).first():
        days.append(before)
    rows = [{"date": each, "frozen_at": at} for each in days]
    await connection.execute(insert(connection, frozen_days).on_conflict_do_nothing(), rows)
    await connection.execute(delete(sightings).where(sightings.c.date.in_(days)))


async def past(connection: AsyncConnection, of: Sequence[str], span: Span) -> list[Past]:
    """Up to a batch of the frames captured in `span`."""
    query = select(*(frames.c[name] for name in Past.__slots__)).where(*_frames(of, span)).limit(BATCH)
    return [Past(*row) for row in await connection.execute(query)]


async def crops_in(connection: AsyncConnection, past: Sequence[Past]) -> list[str]:
    """The keys of the crops of these frames' faces."""
    query = select(crops.c.key).join(observations).where(observations.c.frame_id.in_([frame.id for frame in past]))
    return list((await connection.execute(query)).scalars())


async def forget(connection: AsyncConnection, past: Sequence[Past]) -> None:
    """Removes frames (a batch at most) with their observations, whose crops are gone.

    The numbers of those that a camera may hand in again stay: a live one it had to give away at once.
    """
    ids = [frame.id for frame in past]
    await connection.execute(delete(observations).where(observations.c.frame_id.in_(ids)))
    await _note(connection, [(frame.camera, frame.epoch, frame.seq) for frame in past if not frame.live])
    await connection.execute(delete(frames).where(frames.c.id.in_(ids)))


async def forget_heartbeats(connection: AsyncConnection, camera: str, span: Span) -> None:
    await connection.execute(delete(heartbeats).where(*_beats([camera], span)))


async def _note(connection: AsyncConnection, numbers: Iterable[Number]) -> None:
    """Adds to the numbers that are known though forgotten; those that follow each other are one row."""
    runs = {(camera, epoch, first): last for camera, epoch, first, last in _runs(sorted(numbers))}
    if not runs:
        return
    table = forgotten_frames
    key = tuple_(table.c.camera, table.c.epoch, table.c.last)
    wanted = [(camera, epoch, first - 1) for camera, epoch, first in runs]
    earlier = list(await connection.execute(select(table).where(key.in_(wanted))))
    for row in earlier:
        runs[row.camera, row.epoch, row.first] = runs.pop((row.camera, row.epoch, row.last + 1))
    if earlier:
        await connection.execute(delete(table).where(key.in_([(row.camera, row.epoch, row.last) for row in earlier])))
    rows = [
        {"camera": camera, "epoch": epoch, "first": first, "last": last}
        for (camera, epoch, first), last in runs.items()
    ]
    await connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)


def _runs(numbers: Iterable[Number]) -> Iterable[tuple[str, int, int, int]]:
    """Camera, epoch, first and last of each run of consecutive numbers; `numbers` are in order."""
    for (camera, epoch, _), group in groupby(enumerate(numbers), lambda item: (*item[1][:2], item[1][2] - item[0])):
        seqs = [seq for _, (_, _, seq) in group]
        yield camera, epoch, seqs[0], seqs[-1]


def _frames(of: Sequence[str], span: Span) -> list[ColumnElement[bool]]:
    return [frames.c.camera.in_(of), frames.c.captured_at >= span.start, frames.c.captured_at < span.end]


def _beats(of: Sequence[str], span: Span) -> list[ColumnElement[bool]]:
    return [heartbeats.c.camera.in_(of), heartbeats.c.until >= span.start, heartbeats.c.until < span.end]


def _frozen() -> Select[str]:
    return select(frozen_days.c.date)
