"""What was sent to galleries that are kept elsewhere: so that nothing is sent twice, and everything is deleted there.

Rows outlive the person they are about, until the service has confirmed that it deleted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .dialects import insert
from .tables import remote_portraits as table


async def sent(connection: AsyncConnection, recogniser: str) -> dict[str, dict[str, str]]:
    """What the service answered to each portrait (by SHA-256) of each person: why it does not serve, or nothing."""
    query = select(table.c.person, table.c.source_sha256, table.c.answer).where(table.c.recogniser == recogniser)
    found: dict[str, dict[str, str]] = {}
    for row in await connection.execute(query.order_by(table.c.person, table.c.source_sha256)):
        found.setdefault(row.person, {})[row.source_sha256] = row.answer
    return found


async def recognisers(connection: AsyncConnection) -> list[str]:
    """Those that anything was sent to, and that have not confirmed its deletion."""
    query = select(table.c.recogniser).distinct().order_by(table.c.recogniser)
    return list((await connection.execute(query)).scalars())


async def holders(connection: AsyncConnection, person: str) -> list[str]:
    """The recognisers that anything of the person was sent to, and that have not confirmed its deletion."""
    query = select(table.c.recogniser).where(table.c.person == person).distinct().order_by(table.c.recogniser)
    return list((await connection.execute(query)).scalars())


async def record(
    connection: AsyncConnection, recogniser: str, person: str, answers: Mapping[str, str], at: datetime
) -> None:
    """Notes what was sent, by SHA-256, and what the service said to it; `at` is UTC."""
    if not answers:
        return
    rows = [
        {"recogniser": recogniser, "person": person, "source_sha256": sha256, "answer": answer, "sent_at": at}
        for sha256, answer in answers.items()
    ]
    statement = insert(connection, table).values(rows)
    new = statement.excluded
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["recogniser", "person", "source_sha256"],
            set_={"answer": new.answer, "sent_at": new.sent_at},
        )
    )


async def forget(connection: AsyncConnection, recogniser: str, persons: Iterable[str]) -> None:
    """The service holds nothing of them any more."""
    for person in persons:
        mine = (table.c.recogniser == recogniser) & (table.c.person == person)
        await connection.execute(delete(table).where(mine))
