"""Consent events: only ever appended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.recognition.consent import INVENTED, OBJECTIONS, Consent, ConsentEvent, standing

from . import gallery, objections, vectors
from .tables import consent_events as table

BATCH = 500


async def append(
    connection: AsyncConnection,
    *,
    person: str,
    signer: str,
    state: Consent,
    at: datetime,
    notice_version: str = "",
    expires_at: datetime | None = None,
) -> ConsentEvent:
    """Records what somebody signed; raises IntegrityError when there is no such person."""
    result = await connection.execute(
        insert(table)
        .values(person=person, signer=signer, state=state, at=at, notice_version=notice_version, expires_at=expires_at)
        .returning(table.c.order)
    )
    order = int(result.scalar_one())
    await gallery.bump(connection)
    if await vectors.kept(connection):
        await vectors.follow(connection, person, await events(connection, person))
    if state in OBJECTIONS:
        objections.note(connection, objections.Objection(person, signer, state, at, notice_version))
    return ConsentEvent(person, signer, state, at, order, notice_version, expires_at)


async def events(connection: AsyncConnection, person: str | None = None) -> list[ConsentEvent]:
    """The events of one person or of everybody, in the order they arrived."""
    query = select(table).order_by(table.c.order)
    if person is not None:
        query = query.where(table.c.person == person)
    return await _events(connection, query)


async def invented(connection: AsyncConnection) -> frozenset[str]:
    """Everybody who was invented for the demo."""
    query = select(table.c.person).where(table.c.signer == INVENTED).distinct()
    return frozenset((await connection.execute(query)).scalars())


async def by_person(connection: AsyncConnection, persons: Iterable[str] | None = None) -> dict[str, list[ConsentEvent]]:
    """The events of everybody, or of these persons, who has any, each in the order they arrived."""
    said: dict[str, list[ConsentEvent]] = {}
    if persons is None:
        queries = [select(table)]
    else:
        wanted = sorted(set(persons))
        queries = [select(table).where(table.c.person.in_(wanted[n : n + BATCH])) for n in range(0, len(wanted), BATCH)]
    for query in queries:
        for event in await _events(connection, query.order_by(table.c.order)):
            said.setdefault(event.person, []).append(event)
    return said


async def granted(connection: AsyncConnection, persons: Iterable[str], now: datetime) -> frozenset[str]:
    """Those of `persons` whose consent stands at `now`."""
    said = await by_person(connection, persons)
    return frozenset(person for person, events in said.items() if standing(events, now) is Consent.GRANTED)


async def _events(connection: AsyncConnection, query: Select[Any]) -> list[ConsentEvent]:
    return [
        ConsentEvent(row.person, row.signer, Consent(row.state), row.at, row.order, row.notice_version, row.expires_at)
        for row in await connection.execute(query)
    ]
