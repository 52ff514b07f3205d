"""Everybody the school has registered, page by page."""

from __future__ import annotations

from dataclasses import dataclass

from hub.db import overview_evidence, overview_people, people
from hub.db.overview_evidence import Seen
from hub.db.people import Person

from .order import natural, plain
from .view import View

PAGE = 100


@dataclass(frozen=True, slots=True)
class PersonRow:
    """`recognisable`: attendance is taken by camera; everybody else's by hand, for whatever reason."""

    id: str
    name: str
    class_name: str
    recognisable: bool
    last_seen: Seen | None


@dataclass(frozen=True, slots=True)
class People:
    """Page `page` of `pages` of those who match `query`, by name; `found` of `total` people do."""

    query: str
    page: int
    pages: int
    found: int
    total: int
    rows: tuple[PersonRow, ...]


async def people_page(view: View, query: str = "", page: int = 1) -> People:
    """`page` counts from 1; one past the end is the last."""
    async with view.database.read() as connection:
        everybody = await people.all(connection)
        words = plain(query).split()
        found = [one for one in everybody if all(word in _searched(one) for word in words)]
        found.sort(key=lambda one: (natural(one.name), one.id))
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), pages)
        shown = found[(page - 1) * PAGE : page * PAGE]
        ids = [one.id for one in shown]
        seen = await overview_evidence.last_seen(connection, ids)
        by_camera = await overview_people.recognisable(connection, ids, view.now)
    rows = tuple(
        PersonRow(one.id, one.name, one.class_name or "", one.id in by_camera, seen.get(one.id)) for one in shown
    )
    return People(query, page, pages, len(found), len(everybody), rows)


def _searched(person: Person) -> str:
    return plain(f"{person.name} {person.id} {person.class_name or ''}")
