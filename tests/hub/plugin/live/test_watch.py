"""What the hub gets to see of a live camera, and what it is told of the lens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hub.plugin import CameraEvent, Frame, Heartbeat
from hub.plugin.live import Shot, watch
from hub.plugin.live.glimpse import CELLS, HEIGHT, LEVELS, WIDTH, Glimpse, Grey
from tests.support.context import ManualClock, make_context

RANDOM = np.random.default_rng(7)
ROOM = RANDOM.integers(40, 200, (HEIGHT, WIDTH)).astype(np.uint8)


def noisy(room: Grey = ROOM) -> Grey:
    """The same room as a sensor shows it again."""
    picture = room.copy()
    picture[0, :3] += RANDOM.integers(1, 3, 3, dtype=np.uint8)
    return picture


def somebody(where: int) -> Grey:
    picture = noisy()
    picture[40:43, where : where + 3] = 255 - picture[40:43, where : where + 3] // 2
    return picture


async def seen(
    folder: Path, pictures: Sequence[Grey], *, every: float = 2, still_every: float = 20
) -> list[tuple[float, CameraEvent]]:
    """Events with the second they came at; the camera fails after its last picture."""
    clock = ManualClock()
    start, left, events = clock.now(), list(pictures), []

    async def take() -> Shot:
        if not left:
            raise EOFError
        picture = left.pop(0)
        return Shot(clock.now(), Glimpse(picture), picture.tobytes)

    async with make_context(folder, clock=clock) as context:
        events_of = watch(context, take, every=timedelta(seconds=every), still_every=timedelta(seconds=still_every))
        with suppress(EOFError):
            while True:
                event = await anext(events_of)
                events.append(((clock.now() - start).total_seconds(), event))
    return events


def frames(events: Sequence[tuple[float, CameraEvent]]) -> list[float]:
    return [at for at, event in events if isinstance(event, Frame)]


def lenses(events: Sequence[tuple[float, CameraEvent]]) -> list[float | None]:
    return [event.lens for _, event in events if isinstance(event, Heartbeat)]


async def test_a_still_room_is_shown_now_and_then_and_covered_in_between(tmp_path: Path) -> None:
    events = await seen(tmp_path, [noisy() for _ in range(31)])
    assert frames(events) == [0, 20, 40, 60]
    assert [at for at, event in events if isinstance(event, Heartbeat)] == [0, 10, 20, 30, 40, 50, 60]
    assert lenses(events) == [1.0] * 7


async def test_whoever_moves_is_shown_each_time(tmp_path: Path) -> None:
    events = await seen(tmp_path, [noisy(), somebody(20), somebody(26), somebody(26), noisy(), noisy()])
    assert frames(events) == [0, 2, 4, 8]


async def test_movement_is_measured_against_what_was_shown_last(tmp_path: Path) -> None:
    dawn = [np.clip(ROOM.astype(int) + step, 0, 255).astype(np.uint8) for step in range(0, 33, 2)]
    assert frames(await seen(tmp_path, dawn, still_every=1000)) == [0, 10, 20, 30]


async def test_the_very_same_picture_is_never_shown_twice_and_at_last_a_hung_camera(tmp_path: Path) -> None:
    events = await seen(tmp_path, [ROOM] * 160 + [noisy()])
    assert frames(events) == [0, 320]
    assert lenses(events) == [1.0] * 30 + [0.0] * 2 + [1.0]


@pytest.mark.parametrize("level", [0, 90, 255])
async def test_a_covered_lens_shows_nothing_and_says_so_once(
    tmp_path: Path, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    covered = [np.clip(RANDOM.normal(level, 1, ROOM.shape), 0, 255).astype(np.uint8) for _ in range(12)]
    events = await seen(tmp_path, [noisy(), *covered, noisy()], every=10)
    assert frames(events) == [0, 130]
    assert lenses(events) == [1.0, *[0.0] * 12, 1.0]
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "lobby: shows nothing but darkness",
        "lobby: sees again",
    ]


async def test_numbers_begin_anew_with_each_opening_and_never_repeat(tmp_path: Path) -> None:
    events = [event for _, event in await seen(tmp_path, [somebody(at) for at in range(0, 80, 10)])]
    numbers = [(event.epoch, event.seq) for event in events if isinstance(event, Frame)]
    assert numbers == [(numbers[0][0], seq) for seq in range(1, 9)]
    assert all(event.live for event in events if isinstance(event, Frame))


async def test_a_slow_hub_gets_no_backlog(tmp_path: Path) -> None:
    clock = ManualClock()
    asked = []

    async def take() -> Shot:
        asked.append(clock.monotonic())
        return Shot(clock.now(), Glimpse(somebody(10 * len(asked))), bytes)

    async with make_context(tmp_path, clock=clock) as context:
        stream = watch(context, take, every=timedelta(seconds=2), still_every=timedelta(seconds=20))
        async for event in stream:
            if isinstance(event, Frame):
                await clock.sleep(7)
            if len(asked) == 5:
                break
        await stream.aclose()
    assert [later - earlier for earlier, later in pairwise(asked)] == [7, 7, 7, 7]


@pytest.mark.parametrize("cells", [CELLS - 1, CELLS])
@pytest.mark.parametrize("levels", [LEVELS - 1, LEVELS, -LEVELS])
def test_what_counts_as_movement(cells: int, levels: int) -> None:
    changed = ROOM.astype(int)
    changed[5, :cells] += levels
    assert Glimpse(changed.astype(np.uint8)).moved(Glimpse(ROOM)) == (cells >= CELLS and abs(levels) >= LEVELS)
