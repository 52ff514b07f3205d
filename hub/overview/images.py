"""The last pictures of all cameras."""

from __future__ import annotations

from hub.db import overview_evidence
from hub.db.overview_evidence import Shot

from .view import View

LAST = 20


async def images(view: View) -> tuple[Shot, ...]:
    """The last evidence crops by capture, newest first: never whole frames, never anybody unknown."""
    async with view.database.read() as connection:
        return tuple(await overview_evidence.recent(connection, LAST))
