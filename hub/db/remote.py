"""Galleries that are kept elsewhere: who may be there, by which pseudonym, and what was sent; so that nothing is sent
twice, nobody's id leaves the building, and everything is deleted there.

A gallery is named by where it is (`RecognizerPart.gallery`). Rows outlive the person they are about, until the service
has confirmed that it deleted them.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .dialects import insert
from .tables import remote_people as people
from .tables import remote_portraits as portraits

LONGEST_SENDING = timedelta(minutes=10)
"""A process that is sending for longer has been killed."""


async def sent(connection: AsyncConnection, gallery: str) -> dict[str, dict[str, str]]:
    """What the service answered to each portrait (by SHA-256) of each person: why it does not serve, or nothing."""
    query = select(portraits).where(portraits.c.gallery == gallery)
    found: dict[str, dict[str, str]] = {}
    for row in await connection.execute(query.order_by(portraits.c.person, portraits.c.source_sha256)):
        found.setdefault(row.person, {})[row.source_sha256] = row.answer
    return found


async def serving(connection: AsyncConnection, gallery: str) -> frozenset[str]:
    """Those of whom the service took a portrait."""
    query = select(portraits.c.person).where(portraits.c.gallery == gallery, portraits.c.answer == "").distinct()
    return frozenset((await connection.execute(query)).scalars())


async def answers(connection: AsyncConnection, person: str) -> dict[str, dict[str, str]]:
    """The same of one person, by each gallery in which they may be."""
    mine = (portraits.c.gallery == people.c.gallery) & (portraits.c.person == people.c.person)
    query = select(people.c.gallery, portraits.c.source_sha256, portraits.c.answer).join_from(
        people, portraits, mine, isouter=True
    )
    found: dict[str, dict[str, str]] = {}
    rows = await connection.execute(
        query.where(people.c.person == person).order_by(people.c.gallery, portraits.c.source_sha256)
    )
    for row in rows:
        said = found.setdefault(row.gallery, {})
        if row.source_sha256 is not None:
            said[row.source_sha256] = row.answer
    return found


async def galleries(connection: AsyncConnection) -> list[str]:
    """Those in which anybody may be."""
    query = select(people.c.gallery).distinct().order_by(people.c.gallery)
    return list((await connection.execute(query)).scalars())


async def holders(connection: AsyncConnection, person: str) -> list[str]:
    """The galleries in which the person may be."""
    query = select(people.c.gallery).where(people.c.person == person).order_by(people.c.gallery)
    return list((await connection.execute(query)).scalars())


async def pseudonyms(connection: AsyncConnection, gallery: str) -> dict[str, str]:
    """What everybody who may be in the gallery is called there, by their ids here."""
    query = select(people.c.person, people.c.pseudonym).where(people.c.gallery == gallery).order_by(people.c.person)
    return {row.person: row.pseudonym for row in await connection.execute(query)}


async def pseudonym(connection: AsyncConnection, gallery: str, person: str) -> str | None:
    query = select(people.c.pseudonym).where(people.c.gallery == gallery, people.c.person == person)
    return (await connection.execute(query)).scalar()


async def called(connection: AsyncConnection, gallery: str, names: Collection[str]) -> dict[str, str]:
    """Whose pseudonyms there these are; those that are nobody's are left out."""
    query = select(people.c.pseudonym, people.c.person).where(
        people.c.gallery == gallery, people.c.pseudonym.in_(names)
    )
    return {row.pseudonym: row.person for row in await connection.execute(query)}


async def begin(connection: AsyncConnection, gallery: str, person: str, at: datetime) -> None:
    """Notes before anything of the person is sent that they may be there now; `at` is UTC."""
    new = {"gallery": gallery, "person": person, "pseudonym": secrets.token_hex(16), "sending_since": at}
    statement = insert(connection, people).values(new)
    again = statement.on_conflict_do_update(index_elements=["gallery", "person"], set_={"sending_since": at})
    await connection.execute(again)


async def record(
    connection: AsyncConnection, gallery: str, person: str, answers: Mapping[str, str], at: datetime
) -> None:
    """Notes what was sent, by SHA-256, and what the service said to it; nothing is on the way any more."""
    mine = (people.c.gallery == gallery) & (people.c.person == person)
    await connection.execute(update(people).where(mine).values(sending_since=None))
    if not answers:
        return
    rows = [
        {"gallery": gallery, "person": person, "source_sha256": sha256, "answer": answer, "sent_at": at}
        for sha256, answer in answers.items()
    ]
    statement = insert(connection, portraits).values(rows)
    new = statement.excluded
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["gallery", "person", "source_sha256"],
            set_={"answer": new.answer, "sent_at": new.sent_at},
        )
    )


async def forget(connection: AsyncConnection, gallery: str, person: str, at: datetime) -> bool:
    """The service holds nothing of the person any more; false, and as before, while portraits are on the way there."""
    query = select(people.c.sending_since).where(people.c.gallery == gallery, people.c.person == person)
    since: datetime | None = (await connection.execute(query.with_for_update())).scalar()
    if since is not None and at - LONGEST_SENDING < since <= at:
        return False
    for table in (portraits, people):
        await connection.execute(delete(table).where(table.c.gallery == gallery, table.c.person == person))
    return True


async def abandon(connection: AsyncConnection, gallery: str) -> int:
    """The whole gallery is no more; answers how many people may have been in it."""
    await connection.execute(delete(portraits).where(portraits.c.gallery == gallery))
    return (await connection.execute(delete(people).where(people.c.gallery == gallery))).rowcount


async def adopt(connection: AsyncConnection, recogniser: str, gallery: str) -> None:
    """Names rows by the gallery that have been named by the recogniser's id since an older FRAS."""
    for table in (portraits, people):
        there = select(table.c.person).where(table.c.gallery == gallery)
        old = table.c.gallery == recogniser
        await connection.execute(delete(table).where(old, table.c.person.in_(there)))
        await connection.execute(update(table).where(old).values(gallery=gallery))
