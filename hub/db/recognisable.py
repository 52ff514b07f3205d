"""Whom cameras could recognise at a moment of the past: spans of time that outlive the templates themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.recognition.consent import stood
from hub.recognition.models import needed

from . import consent
from .dialects import insert
from .ledger import Look
from .tables import template_spans as table


async def begins(connection: AsyncConnection, person: str, model_id: str, at: datetime) -> None:
    """From `at` (UTC) on there is a template of the person; one begun under a clock that ran ahead begins now."""
    mine = (table.c.person == person) & (table.c.model_id == model_id)
    current = (await connection.execute(select(table.c.since).where(mine, table.c.until.is_(None)))).scalar()
    if current is None:
        statement = insert(connection, table).values(person=person, model_id=model_id, since=at)
        again = statement.on_conflict_do_update(index_elements=["person", "model_id", "since"], set_={"until": None})
        await connection.execute(again)
    elif current > at:
        await connection.execute(update(table).where(mine, table.c.since == current).values(since=at))


async def ends(connection: AsyncConnection, person: str, model_id: str | None, at: datetime) -> None:
    """From `at` (UTC) on there is none, of this model or of any."""
    statement = update(table).where(table.c.person == person, table.c.until.is_(None)).values(until=at)
    await connection.execute(statement if model_id is None else statement.where(table.c.model_id == model_id))


async def held(connection: AsyncConnection, model_id: str) -> frozenset[str]:
    """Of whom there is a template now."""
    query = select(table.c.person).where(table.c.model_id == model_id, table.c.until.is_(None))
    return frozenset((await connection.execute(query)).scalars())


async def throughout(connection: AsyncConnection, looks: Sequence[Look]) -> frozenset[str]:
    """Whose template was held, by consent that stood, all through each of `looks`.

    Whoever was enrolled later was not looked for, and whoever withdrew meanwhile no more: neither may be called absent.
    """
    held: set[str] | None = None
    for look in looks:
        covers = select(table.c.person).where(
            table.c.since <= look.first, or_(table.c.until.is_(None), table.c.until > look.last)
        )
        if look.model_id is None:
            found = set((await connection.execute(covers)).scalars())
        else:
            enough, models = needed(look.model_id)
            holding: Counter[str] = Counter()
            for model in models:
                holding.update(set((await connection.execute(covers.where(table.c.model_id == model))).scalars()))
            found = {person for person, count in holding.items() if count >= enough}
        held = found if held is None else held & found
    said = await consent.by_person(connection)
    return frozenset(
        person for person in held or () if all(stood(said.get(person, ()), look.first, look.last) for look in looks)
    )
