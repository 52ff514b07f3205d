"""The camera itself: looks every few seconds, and hands on what moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from hub.plugin import CameraEvent, Config, Frame, Heartbeat, Permanent, PluginContext

from . import room
from .script import Cast, Presence, Script

STILL: Final = 20.0
"""Seconds between two frames while everybody sits still, as of a camera that looks for motion."""
BEAT: Final = 5
"""Looks after which a heartbeat is due."""


async def opened(config: Config, context: PluginContext) -> DemoCamera:
    cast = await context.run_blocking(cast_of)
    return DemoCamera(config, Script(cast, config["slot"], context.time_zone), context)


def cast_of() -> Cast:
    """Who there are pictures of. Raises Permanent where they are missing."""
    people = sorted(folder.name for folder in room.FIGURES.iterdir()) if room.FIGURES.is_dir() else []
    if len(people) != len(room.BACK) + len(room.FRONT) + 1:
        raise Permanent("the pictures of the demo people are missing", hint="install FRAS again")
    *_, refused, stranger = people
    return Cast(tuple(people[:-1]), refused, stranger)


class DemoCamera:
    def __init__(self, config: Config, script: Script, context: PluginContext) -> None:
        self._script = script
        self._room: int = config["scene"] - 1
        self._every: float = config["every"].total_seconds()
        self._context = context
        self._clock = context.clock

    async def events(self) -> AsyncGenerator[CameraEvent, None]:
        """Live frames numbered from the start of this run, and heartbeats."""
        epoch = int(self._clock.now().timestamp() * 1000)
        seq = 0
        handed_on = -float("inf")
        looks = 0
        before: list[Presence] = []
        while True:
            looked = self._clock.monotonic()
            now = self._clock.now()
            present = self._script.present(self._room, now)
            moves = present != before
            before = present
            if moves or (present and looked - handed_on >= STILL):
                seq += 1
                handed_on = looked
                image = await self._context.run_blocking(self._picture, present, now)
                yield Frame(epoch=epoch, seq=seq, captured_at=now, image=image, live=True)
            if looks % BEAT == 0:
                yield Heartbeat(now)
            looks += 1
            await self._clock.sleep(max(0.01, looked + self._every - self._clock.monotonic()))

    def _picture(self, present: list[Presence], now: datetime) -> bytes:
        local = now.astimezone(self._script.zone)
        return room.picture(self._room, present, self._script.cast.pupils, now, f"{local:%H:%M:%S}")
