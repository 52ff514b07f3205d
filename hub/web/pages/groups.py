"""How templates group rows, and what the state of a camera amounts to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from hub.attendance.records import Status
from hub.db.overview import Named
from hub.overview.cameras import CameraRow
from hub.runtime.health import Health, State
from hub.settings import CameraPart

from .words import span


@dataclass(frozen=True, slots=True)
class MonthOfDays:
    """`first` is any of its days."""

    first: date
    days: tuple[tuple[date, Status], ...]


def groupby_month(days: Iterable[tuple[date, Status]]) -> list[MonthOfDays]:
    """Months in the order they come, the days of each by date."""
    months = (tuple(group) for _, group in groupby(days, key=lambda one: (one[0].year, one[0].month)))
    return [MonthOfDays(month[0][0], tuple(sorted(month))) for month in months]


def groupby_status(rows: Iterable[Named]) -> list[tuple[Status, list[Named]]]:
    """Rows that come in order of status, by status."""
    return [(status, list(group)) for status, group in groupby(rows, key=lambda named: named.mark.status)]


@dataclass(frozen=True, slots=True)
class CameraState:
    """`kind` names a symbol: good, waiting, trouble or ended."""

    kind: str
    words: str


def camera_state(camera: CameraRow) -> CameraState:
    if not camera.configured:
        return CameraState("ended", "No longer in hub.yaml; what it saw is kept")
    if camera.health is None:
        return CameraState("waiting", "Not started")
    if camera.silent_for:
        return CameraState("trouble", f"Silent for {span(camera.silent_for)}: nothing comes from it")
    match camera.health.state:
        case State.RUNNING:
            return CameraState("good", "Works")
        case State.STARTING:
            return CameraState("waiting", camera.health.progress or "Starting")
        case State.RETRYING:
            return CameraState("trouble", "Does not work now; the hub keeps trying")
        case State.NEEDS_HUMAN:
            return CameraState("trouble", "Needs you")
        case State.FAILED:
            return CameraState("trouble", "Cannot work as it is configured")
        case State.FINISHED:
            return CameraState("ended", "Finished: it has nothing more to show")
        case State.STOPPED:
            return CameraState("ended", "Stopped")


def other_parts(health: Mapping[str, Health], cameras: Iterable[CameraPart]) -> dict[str, Health]:
    """Recognisers and the storage, by name: those that do not work, or say what they are busy with."""
    theirs = {camera.id for camera in cameras}
    return {name: one for name, one in health.items() if name not in theirs and (one.state.down or one.progress)}


FILTERS = {function.__name__: function for function in (groupby_month, groupby_status, camera_state)}
