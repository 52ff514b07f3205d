"""Observations, their pictures, and sightings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date as Date  # noqa: N812  # fields below are called date
from datetime import datetime
from typing import Annotated

from aiohttp import web

from hub.db import listing
from hub.db.listing import Row
from hub.plugin import NotFound
from hub.web import keys
from hub.web.keys import view_of
from hub.web.problems import Problem

from . import records
from .operations import PREFIX
from .paging import Page, Paged, page, position
from .shapes import Text


@dataclass(frozen=True, slots=True)
class ObservationQuery(Paged):
    date: Annotated[Date | None, "The school's local date; by default today, with a person any."] = None
    person: Annotated[str | None, Text(200), "Only of this person."] = None
    camera: Annotated[str | None, Text(64), "Only by this camera."] = None


@dataclass(frozen=True, slots=True)
class SightingQuery(Paged):
    date: Annotated[Date | None, "The school's local date; by default today."] = None
    person: Annotated[str | None, Text(200), "Only of this person."] = None
    camera: Annotated[str | None, Text(64), "Only by this camera."] = None


async def observations(request: web.Request, query: ObservationQuery) -> Page[records.Observation]:
    """Faces in frames, known and unknown, by time."""
    view = view_of(request)
    day = query.date or (None if query.person else view.today)
    async with view.database.read() as connection:
        rows = await listing.observed(
            connection,
            after=position(query.after, datetime, str),
            limit=query.limit,
            between=view.hours(day) if day else None,
            person=query.person,
            camera=query.camera,
        )
    return page(rows, query.limit, lambda row: (row["captured_at"], row["id"]), _observation)


async def observation(request: web.Request, observation: str) -> records.Observation:
    """One face in a frame."""
    return _observation(await _found(request, observation))


async def crop(request: web.Request, observation: str) -> web.StreamResponse:
    """The picture of the face, as long as it is kept: only of people recognised by standing consent."""
    row = await _found(request, observation)
    gone = Problem(404, "there is no picture of it", hint="only recognised people leave one, and for a limited time")
    if row["crop"] is None:
        raise gone
    try:
        data = await request.app[keys.STORAGE]().get(row["crop"])
    except NotFound:
        raise gone from None
    return web.Response(body=data, content_type="image/jpeg")


async def sightings(request: web.Request, query: SightingQuery) -> Page[records.Sighting]:
    """Who was at which camera from when to when, of one day, by person, camera and time."""
    view = view_of(request)
    async with view.database.read() as connection:
        rows = await listing.sighted(
            connection,
            date=(query.date or view.today).isoformat(),
            after=position(query.after, str, str, datetime),
            limit=query.limit,
            person=query.person,
            camera=query.camera,
        )
    return page(rows, query.limit, lambda row: (row["person"], row["camera"], row["first"]), _sighting)


async def _found(request: web.Request, observation: str) -> Row:
    async with request.app[keys.DATABASE].read() as connection:
        row = await listing.observation(connection, observation)
    if row is None:
        raise Problem(404, "there is no such observation")
    return row


def _observation(row: Row) -> records.Observation:
    direct = {field.name: row[field.name] for field in fields(records.Observation) if field.name in row}
    return records.Observation(
        **direct
        | {
            "frame": row["frame_id"],
            "box": records.Box(**{name: row[name] for name in records.Box.__slots__}),
            "quality": records.Quality(**{name: row[name] for name in records.Quality.__slots__}),
            "crop": f"{PREFIX}/observations/{row['id']}/crop" if row["crop"] else None,
        }
    )


def _sighting(row: Row) -> records.Sighting:
    values = {name: row[name] for name in records.Sighting.__slots__}
    return records.Sighting(**values | {"date": Date.fromisoformat(row["date"])})
