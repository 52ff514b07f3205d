"""When the hub's cameras first saw anything, which says why nothing is known of the hours before."""

from __future__ import annotations

from datetime import date, datetime

from hub.db import facts, overview
from hub.db.overview import Connection

from .view import View


async def began(view: View, connection: Connection, day: date) -> datetime | None:
    """When a camera first delivered anything (UTC), if `day` is the first date that has marks; else None.

    None also where the facts of that day are gone.
    """
    before, _ = await overview.neighbours(connection, day.isoformat())
    if before is not None:
        return None
    return await facts.first(connection, [camera.id for camera in view.settings.cameras], *view.hours(day))
