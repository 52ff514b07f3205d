"""The people of the school. They leave by `remove`, which takes everything that is theirs with it."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import daily, gallery, objections, school
from .dialects import insert
from .tables import people

BATCH = 500


@dataclass(frozen=True, slots=True)
class Person:
    """`id` is the school's own, in any script. Raises ValueError for what no database keeps as text."""

    id: str
    name: str
    class_name: str | None = None

    def __post_init__(self) -> None:
        if not builtins.all(map(is_text, (self.id, self.name, self.class_name or ""))):
            raise ValueError("a person's id, name or class has characters that are not text")
        if not self.id.strip():
            raise ValueError("a person's id is empty")


def is_text(value: str) -> bool:
    """Whether every database keeps `value` as it is: names of files need not be text."""
    return "\0" not in value and value == value.encode("utf-8", "ignore").decode()


async def add(connection: AsyncConnection, *persons: Person) -> None:
    """Adds people; those already there take the new name and class."""
    school_id = await school.id_of(connection)
    rows = [
        {"id": person.id, "school_id": school_id, "name": person.name, "class_name": person.class_name}
        for person in {person.id: person for person in persons}.values()
    ]
    for start in range(0, len(rows), BATCH):
        statement = insert(connection, people).values(rows[start : start + BATCH])
        new = statement.excluded
        changes = {"name": new.name, "class_name": new.class_name}
        await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes))
    await gallery.bump(connection)


async def all(connection: AsyncConnection) -> list[Person]:  # noqa: A001
    """Everybody, by id."""
    rows = await connection.execute(_columns().order_by(people.c.id))
    return [Person(*row) for row in rows]


async def get(connection: AsyncConnection, person: str) -> Person | None:
    row = (await connection.execute(_columns().where(people.c.id == person))).first()
    return Person(*row) if row else None


async def remove(connection: AsyncConnection, person: str) -> bool:
    """Removes a person with consent events, enrolments, templates, sightings and marks; observations become unknown.

    Crops are not here: remove them first. Says whether there was such a person.
    """
    await daily.without(connection, person)
    gone = await connection.execute(delete(people).where(people.c.id == person))
    await gallery.bump(connection)
    if gone.rowcount:
        objections.note(connection, objections.Erased(objections.hash_of(person), datetime.now(UTC)))
    return gone.rowcount > 0


async def entered(connection: AsyncConnection) -> dict[str, datetime]:
    """When each person was first entered."""
    rows = await connection.execute(select(people.c.id, people.c.created_at))
    return {row.id: row.created_at for row in rows}


async def existing(connection: AsyncConnection, persons: Iterable[str]) -> frozenset[str]:
    """Those of `persons` that are in the database."""
    wanted = sorted(set(persons))
    found: builtins.list[str] = []
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found += (await connection.execute(select(people.c.id).where(people.c.id.in_(batch)))).scalars()
    return frozenset(found)


def _columns() -> Select[str, str, str | None]:
    return select(people.c.id, people.c.name, people.c.class_name)
