"""What happened, written in the transaction in which it happened, for those who follow along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import outbox


@dataclass(frozen=True, slots=True)
class Event:
    """`id` only rises; `payload` holds ids, never names or embeddings."""

    id: int
    at: datetime
    kind: str
    payload: Mapping[str, Any]


async def append(connection: AsyncConnection, kind: str, *payloads: Mapping[str, Any]) -> None:
    """Adds one event for each payload."""
    if payloads:
        await connection.execute(outbox.insert(), [{"kind": kind, "payload": dict(payload)} for payload in payloads])


async def after(connection: AsyncConnection, id: int, limit: int) -> Sequence[Event]:  # noqa: A002
    """The first `limit` events after the one called `id`, in order."""
    query = select(outbox.c.id, outbox.c.at, outbox.c.kind, outbox.c.payload)
    query = query.where(outbox.c.id > id).order_by(outbox.c.id).limit(limit)
    return [Event(*row) for row in await connection.execute(query)]


async def last(connection: AsyncConnection) -> int:
    """The id of the newest event, 0 before the first."""
    return int((await connection.execute(select(func.coalesce(func.max(outbox.c.id), 0)))).scalar_one())


async def trim(connection: AsyncConnection, before: datetime, *, upto: int | None = None, most: int = 10_000) -> int:
    """Forgets up to `most` events older than `before` (UTC), the oldest first, none after the one called `upto`.

    Says how many.
    """
    old = select(outbox.c.id).where(outbox.c.at < before).order_by(outbox.c.id).limit(most)
    if upto is not None:
        old = old.where(outbox.c.id <= upto)
    return (await connection.execute(delete(outbox).where(outbox.c.id.in_(old)))).rowcount
