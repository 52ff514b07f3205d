"""The hub itself: its cameras and its health."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from hub import __version__
from hub.calibrating import stale_calibration
from hub.db import ledger, outbox
from hub.overview import cameras as overview
from hub.overview.cameras import CameraRow
from hub.web import keys
from hub.web.keys import view_of
from hub.web.problems import Problem

from . import records


@dataclass(frozen=True, slots=True)
class Cameras:
    """The cameras of hub.yaml in its order, then those of the past."""

    items: tuple[records.Camera, ...]


async def cameras(request: web.Request) -> Cameras:
    """Every camera with its health and what it delivered."""
    return Cameras(tuple(_camera(row) for row in await _rows(request)))


async def camera(request: web.Request, camera: str) -> records.Camera:
    """One camera with its health and what it delivered."""
    for row in await _rows(request):
        if row.id == camera:
            return _camera(row)
    raise Problem(404, "there is no such camera", hint="/api/v1/cameras lists them")


async def health(request: web.Request) -> records.Health:
    """How the hub and each of its parts are doing. Answers 200 as long as the hub does."""
    view = view_of(request)
    parts = request.app[keys.HEALTH]()
    async with view.database.read() as connection:
        waiting = await ledger.count_pending(connection)
        last = await outbox.last(connection)
    return records.Health(
        status="degraded" if any(part.state.down for part in parts.values()) else "ok",
        version=__version__,
        school=view.settings.school.name,
        time_zone=view.zone.key,
        now=view.now,
        waiting=waiting,
        last_event=last,
        calibration=str(await stale_calibration(view.database) or ""),
        parts=tuple(
            records.Part(
                name,
                part.state,
                part.since,
                part.last_error,
                part.hint,
                part.restarts,
                part.last_event_at,
                part.progress,
            )
            for name, part in parts.items()
        ),
    )


async def _rows(request: web.Request) -> tuple[CameraRow, ...]:
    return await overview.cameras(view_of(request), request.app[keys.HEALTH]())


def _camera(row: CameraRow) -> records.Camera:
    health = row.health
    return records.Camera(
        id=row.id,
        room=row.room,
        platform=row.platform,
        configured=row.configured,
        state=health.state if health else None,
        since=health.since if health else None,
        last_error=health.last_error if health else "",
        hint=health.hint if health else "",
        restarts=health.restarts if health else 0,
        last_event_at=health.last_event_at if health else None,
        last_frame=row.facts.last_frame,
        watermark=row.watermark,
        waiting=row.facts.waiting,
    )
