"""The cameras: whether they work, what they delivered last, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.db import ledger, overview_evidence
from hub.db.overview_evidence import CameraFacts
from hub.nodes.configuration import HOURS, MARGIN, active
from hub.runtime.health import Health, State
from hub.settings import CameraPart

from .view import View


@dataclass(frozen=True, slots=True)
class CameraRow:
    """`health` is None for a camera that the running hub does not have; `configured` is False for one of the past.

    `watermark` (UTC): everything it saw until then is delivered and recognised. `facts` count today's frames.
    `silent_for` is how long a camera that should work has said nothing, None while that is nothing to worry about.
    """

    id: str
    room: str
    platform: str
    configured: bool
    health: Health | None
    watermark: datetime | None
    facts: CameraFacts
    silent_for: timedelta | None


async def cameras(view: View, health: Mapping[str, Health]) -> tuple[CameraRow, ...]:
    """Configured cameras in the order of hub.yaml, then those only the ledger remembers."""
    configured = {camera.id: camera for camera in view.settings.cameras}
    midnight, _ = view.hours(view.today)
    async with view.database.read() as connection:
        watermarks = await ledger.watermarks(connection)
        past = sorted(set(watermarks) - set(configured))
        facts = await overview_evidence.camera_facts(connection, [*configured, *past], midnight)
    rows = []
    for id in [*configured, *past]:  # noqa: A001
        part = configured.get(id)
        state = health.get(id)
        rows.append(
            CameraRow(
                id,
                part.room if part else "",
                part.platform if part else "",
                part is not None,
                state if part else None,
                watermarks.get(id),
                facts[id],
                _silent_for(state, _wakes(part, view), view.now, _allowed(view)) if part else None,
            )
        )
    return tuple(rows)


def troubled(view: View, health: Mapping[str, Health]) -> tuple[str, ...]:
    """Ids of the configured cameras that do not work, or say nothing though they should."""
    broken = (State.RETRYING, State.NEEDS_HUMAN, State.FAILED)
    return tuple(
        part.id
        for part in view.settings.cameras
        if (state := health.get(part.id)) is not None
        and (state.state in broken or _silent_for(state, _wakes(part, view), view.now, _allowed(view)))
    )


def _allowed(view: View) -> timedelta:
    """How long a camera may say nothing."""
    return 2 * view.settings.rules.gap


def _wakes(camera: CameraPart, view: View) -> datetime | None:
    """Since when it has been meant to watch, as far as today goes; None while it is not."""
    if camera.options.get(HOURS) != "lectures":
        return datetime.min.replace(tzinfo=UTC)
    spans = active(camera.room, view.settings.timetable, view.zone, view.today, camera.options[MARGIN])
    return next((start for start, end in spans if start <= view.now < end), None)


def _silent_for(health: Health | None, wakes: datetime | None, now: datetime, allowed: timedelta) -> timedelta | None:
    if health is None or health.state is not State.RUNNING or wakes is None:
        return None
    silent = now - max(health.last_event_at or health.since, health.since, wakes)
    return silent if silent > allowed else None
