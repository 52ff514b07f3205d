"""People, and what became of the photographs they were to be enrolled with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from aiohttp import web

from hub.db import consent, listing
from hub.db.enrolments import State
from hub.db.listing import Row
from hub.overview.person import person_page
from hub.recognition.consent import ConsentEvent, standing
from hub.web import keys
from hub.web.keys import view_of
from hub.web.problems import Problem

from . import records
from .paging import Page, Paged, page, position
from .shapes import Text


@dataclass(frozen=True, slots=True)
class PeopleQuery(Paged):
    class_: Annotated[str | None, Text(200), "Only this class."] = None


@dataclass(frozen=True, slots=True)
class EnrolmentQuery(Paged):
    person: Annotated[str | None, Text(200), "Only of this person."] = None
    state: Annotated[State | None, "Only accepted, or only refused ones."] = None


async def people(request: web.Request, query: PeopleQuery) -> Page[records.Person]:
    """Everybody the school has registered, by id."""
    now = request.app[keys.CLOCK].now()
    async with request.app[keys.DATABASE].read() as connection:
        after = position(query.after, str)
        rows = await listing.people(connection, after=after, limit=query.limit, class_name=query.class_)
        said = await consent.by_person(connection, [row["id"] for row in rows])

    def item(row: Row) -> records.Person:
        state = standing(said.get(row["id"], ()), now)
        return records.Person(row["id"], row["name"], row["class_name"], state, row["images"] or 0)

    return page(rows, query.limit, lambda row: (row["id"],), item)


async def person(request: web.Request, person: str) -> records.PersonDetails:
    """One person: seen when, where and how regularly."""
    view = view_of(request)
    found = await person_page(view, person)
    if found is None:
        raise Problem(404, "there is no such person", hint="/api/v1/people lists everybody")
    async with view.database.read() as connection:
        said: list[ConsentEvent] = await consent.events(connection, person)
        rows = await listing.people(connection, after=None, limit=1, person=person)
    return records.PersonDetails(
        id=found.id,
        name=found.name,
        class_=found.class_name or None,
        consent=standing(said, view.now),
        images=(rows[0]["images"] or 0) if rows else 0,
        last_seen=records.Seen(found.last_seen.at, found.last_seen.camera) if found.last_seen else None,
        days_present=found.present,
        days_absent=found.absent,
        percentage=found.percentage,
        seen_by=found.seen_by,
    )


async def enrolments(request: web.Request, query: EnrolmentQuery) -> Page[records.Enrolment]:
    """What became of each photograph, in the order they were first judged."""
    async with request.app[keys.DATABASE].read() as connection:
        after = position(query.after, str)
        rows = await listing.enrolments(
            connection, after=after, limit=query.limit, person=query.person, state=query.state
        )
    return page(rows, query.limit, lambda row: (row["id"],), lambda row: records.Enrolment(**row))
