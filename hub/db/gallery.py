"""The version of all that recognition depends on.

It rises in the very transaction that changes people, consent or templates.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import gallery_version


async def version(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(gallery_version.c.version))).scalar_one())


async def bump(connection: AsyncConnection) -> None:
    await connection.execute(update(gallery_version).values(version=gallery_version.c.version + 1))
