"""What the hub computed for itself and wants to find again (calibrations); never what hub.yaml says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from .dialects import insert
from .tables import settings


async def get(connection: AsyncConnection, key: str) -> Any:
    """The JSON value under `key`, or None."""
    return (await connection.execute(select(settings.c.value).where(settings.c.key == key))).scalar()


async def put(connection: AsyncConnection, key: str, value: Any) -> None:
    statement = insert(connection, settings).values(key=key, value=value)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value})
    )
