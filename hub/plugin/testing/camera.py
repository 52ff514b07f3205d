"""What the hub relies on in a camera."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import voluptuous as vol

from hub.plugin.roles import Camera
from hub.plugin.specs import CameraSpec
from hub.plugin.types import Burst, Detections, Frame, Heartbeat, SingleEvent

from .base import Opener, PluginContract, stop
from .leaks import nothing_left_open, nothing_left_running
from .ticks import keeps_ticking

LARGEST_NUMBER = 2**63 - 1
MINUTE = 60.0
"""Seconds that the times of a camera may be off."""


class CameraContract(PluginContract):
    """`config` must make the camera yield at least `wanted` events within `patience` seconds.

    `repeatable`: images can be had again after a restart (files, a node's spool), so one that the hub has not
    acknowledged must come again, under the same number. A live source that forgets sets it to False.
    """

    kind = CameraSpec
    wanted: ClassVar[int] = 3
    patience: ClassVar[float] = 10.0
    repeatable: ClassVar[bool] = True

    def test_the_rhythm_is_a_duration_that_the_schema_knows(self, spec: CameraSpec, config: Mapping[str, Any]) -> None:
        checked = vol.Schema(dict(spec.config_schema))(dict(config))
        assert not spec.rhythm or isinstance(checked[spec.rhythm], timedelta)

    async def test_is_a_camera(self, opener: Opener) -> None:
        async with opener() as camera:
            assert isinstance(camera, Camera)

    async def test_yields_events_without_blocking_the_loop(self, opener: Opener) -> None:
        async with keeps_ticking(self.longest_block):
            events = await self.take(opener, self.wanted)
        assert len(events) >= self.wanted, f"{len(events)} events in {self.patience:g} s"
        for event in events:
            assert isinstance(event, Frame | Heartbeat | Detections)

    async def test_times_are_utc_and_not_in_the_future(self, opener: Opener) -> None:
        for event in await self.take(opener, self.wanted):
            moment = event.until if isinstance(event, Heartbeat) else event.captured_at
            assert moment.utcoffset() == timedelta(0)
            ago = time.time() - moment.timestamp()
            assert ago > -MINUTE, f"{-ago:.0f} s in the future"
            if isinstance(event, Frame) and event.live:
                assert ago < MINUTE, f"a live picture of {ago:.0f} s ago"

    async def test_frames_are_numbered_once_and_hold_an_encoded_image(self, opener: Opener) -> None:
        numbers = set()
        for event in await self.take(opener, self.wanted):
            if isinstance(event, Heartbeat):
                continue
            for number in (event.epoch, event.seq):
                assert isinstance(number, int)
                assert 0 <= number <= LARGEST_NUMBER
            assert (event.epoch, event.seq) not in numbers, "two frames under one number: the second would be lost"
            numbers.add((event.epoch, event.seq))
            if isinstance(event, Frame):
                assert isinstance(event.image, bytes)

    async def test_a_heartbeat_comes_after_everything_before_it(self, opener: Opener) -> None:
        watermark: datetime | None = None
        for event in await self.take(opener, self.wanted):
            if isinstance(event, Heartbeat):
                watermark = max(filter(None, (watermark, event.until)))
            elif watermark is not None:
                assert event.captured_at >= watermark, "yielded a frame captured before an earlier heartbeat's `until`"

    async def test_an_image_keeps_its_number_over_a_restart(self, opener: Opener) -> None:
        before = _numbered(await self.take(opener, self.wanted))
        after = _numbered(await self.take(opener, self.wanted))
        for number in before.keys() & after.keys():
            assert before[number] == after[number], f"{number} names two different images"
        if self.repeatable and before:
            last = list(before)[-1]
            assert after.get(last) == before[last], "a frame that was not acknowledged did not come again"

    async def test_stops_cleanly_at_any_event(self, opener: Opener) -> None:
        await self.take(opener, 1)  # libraries open what they keep
        for count in range(1, self.wanted + 1):
            async with nothing_left_running(), nothing_left_open():
                await self.take(opener, count)

    async def test_lives_with_a_hub_that_holds_everything_already(self, opener: Opener) -> None:
        events = await self.take(opener, self.wanted)
        held = set(_numbered(events))
        await self.take(opener, self.wanted, held=held, patience=1.0)

    async def take(
        self,
        opener: Opener,
        count: int,
        *,
        held: Collection[tuple[int, int]] = (),
        patience: float | None = None,
    ) -> list[SingleEvent]:
        """The first `count` events, and what comes in a burst with the last; that is never acknowledged."""
        events: list[SingleEvent] = []
        enough = asyncio.Event()

        async def hub() -> None:
            async with opener(held=held) as camera:
                async for event in camera.events():
                    events.extend(event.events if isinstance(event, Burst) else [event])
                    if len(events) >= count:
                        enough.set()
                        await asyncio.Event().wait()

        task = asyncio.create_task(hub())
        waiting = asyncio.create_task(enough.wait())
        await asyncio.wait({task, waiting}, timeout=patience or self.patience, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await stop(task)
        return events


def _numbered(events: Collection[SingleEvent]) -> dict[tuple[int, int], object]:
    """What each number stands for."""
    return {
        (event.epoch, event.seq): event.image if isinstance(event, Frame) else event.captured_at
        for event in events
        if not isinstance(event, Heartbeat)
    }
