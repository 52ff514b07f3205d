"""People, as pages and the REST API show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import consent
from .tables import people, templates


async def anybody(connection: AsyncConnection) -> bool:
    """Whether anybody is registered."""
    return (await connection.execute(select(people.c.id).limit(1))).first() is not None


async def recognisable(connection: AsyncConnection, persons: Sequence[str], now: datetime) -> frozenset[str]:
    """Those of `persons` whom cameras may and can recognise: consent stands at `now`, and there is a template."""
    query = select(templates.c.person).where(templates.c.person.in_(persons)).distinct()
    enrolled = (await connection.execute(query)).scalars()
    return await consent.granted(connection, enrolled, now)
