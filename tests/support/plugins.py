"""Small plugins and surroundings for tests of what runs plugins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.plugin import CameraEvent, CameraSpec, Config, Frame, PluginContext
from hub.runtime.context import Surroundings
from hub.runtime.limits import Limits

QUICK = Limits(
    open_warning=0.1,
    open_cap=0.3,
    close_cap=0.2,
    stop_cap=0.5,
    cancel_grace=0.1,
    call_cap=0.3,
    first_retry=0.01,
    longest_retry=0.05,
    first_redelivery=0.01,
    longest_redelivery=0.02,
)
"""Limits of a hub in a hurry."""
PATIENT = replace(QUICK, open_cap=60, close_cap=10, stop_cap=10, call_cap=60)
"""In no hurry where nothing hangs: this machine may be busy."""


def surroundings(folder: Path) -> Surroundings:
    return Surroundings(data=folder / "data", base_folder=folder, time_zone=ZoneInfo("Europe/Zurich"))


def frame(seq: int) -> Frame:
    return Frame(epoch=1, seq=seq, captured_at=datetime(2026, 3, 2, 8, 0, seq, tzinfo=UTC), image=b"jpeg")


class FakeCamera:
    """A camera made of one function."""

    def __init__(self, events: Callable[[], AsyncIterator[CameraEvent]]) -> None:
        self.events = events


def camera_spec(
    events: Callable[[], Any] | None = None,
    open_camera: Callable[[Config, PluginContext], AbstractAsyncContextManager[Any]] | None = None,
) -> CameraSpec:
    """A spec around `events`, or around a whole `open`."""

    @asynccontextmanager
    async def just_open(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        assert events is not None
        yield FakeCamera(events)

    return CameraSpec(name="fake", config_schema={}, open=open_camera or just_open)
