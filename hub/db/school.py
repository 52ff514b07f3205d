"""The school this database belongs to; there is exactly one, from the first migration on."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import school


def here() -> ScalarSelect[str]:
    """The school's id, for use inside a statement."""
    return select(school.c.id).order_by(school.c.created_at).limit(1).scalar_subquery()


async def id_of(connection: AsyncConnection) -> str:
    return str((await connection.execute(select(here()))).scalar_one())


async def name_of(connection: AsyncConnection) -> str:
    return str((await connection.execute(select(school.c.name).where(school.c.id == here()))).scalar_one())


async def rename(connection: AsyncConnection, name: str) -> None:
    await connection.execute(update(school).where(school.c.id == here()).values(name=name))
