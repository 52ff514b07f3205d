"""The plugin opened on the fake service, with a clock that need not be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import voluptuous as vol

from hub.plugin import Clock
from hub.plugin.testing import StandInContext, make_context
from plugins.recognizers.azure_face import CONFIG_SCHEMA, open_recogniser, open_service
from plugins.recognizers.azure_face.api import FaceApi
from plugins.recognizers.azure_face.recogniser import AzureFace
from tests.support.context import ManualClock

from .server import KEY, FakeAzure

__all__ = ["ManualClock", "api", "emptied", "opened", "settings", "trained", "waiting"]


def settings(endpoint: str, **more: Any) -> dict[str, Any]:
    """A validated section of hub.yaml; None removes a key."""
    section = {"endpoint": endpoint, "key": KEY, "group": "school", "train_after": "0 s", "calls_per_second": 1000}
    section = {name: value for name, value in (section | more).items() if value is not None}
    checked: dict[str, Any] = vol.Schema(CONFIG_SCHEMA)(section)
    return checked


@asynccontextmanager
async def opened(
    folder: Path, endpoint: str, *, clock: Clock | None = None, **more: Any
) -> AsyncIterator[tuple[AzureFace, StandInContext]]:
    async with (
        make_context(folder, clock=clock or ManualClock()) as context,
        open_recogniser(settings(endpoint, **more), context) as recogniser,
    ):
        assert isinstance(recogniser, AzureFace)
        yield recogniser, context


@asynccontextmanager
async def api(
    folder: Path, endpoint: str, *, clock: Clock | None = None, **more: Any
) -> AsyncIterator[tuple[FaceApi, StandInContext]]:
    """One layer below: the operations."""
    async with (
        make_context(folder, clock=clock or ManualClock()) as context,
        open_service(settings(endpoint, **more), context) as (service, _),
    ):
        yield service, context


def waiting(folder: Path) -> list[str]:
    """The changes that no training has taken in, of the plugin opened in this folder."""
    notes = folder / "data" / "untrained"
    return sorted(note.name for note in notes.iterdir()) if notes.exists() else []


async def trained(folder: Path) -> None:
    """Returns once no change waits, deletions among them, without asking the plugin for anything."""
    await _eventually(lambda: not waiting(folder))


async def emptied(fake: FakeAzure) -> None:
    """Returns once there is no group, and with it nothing that was ever trained."""
    await _eventually(lambda: not fake.gallery.groups)


async def _eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
