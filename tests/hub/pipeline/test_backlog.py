"""The backlog is fair, bounded, and supersedes live frames only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pipeline.backlog import Backlog


@dataclass(frozen=True)
class Waiting:
    id: str
    camera: str
    live: bool = False


async def test_cameras_take_turns() -> None:
    backlog: Backlog[Waiting] = Backlog()
    await backlog.add([Waiting(f"a{n}", "a") for n in range(5)] + [Waiting("b0", "b"), Waiting("c0", "c")])
    frames, _ = await backlog.take(4)
    assert [frame.id for frame in frames] == ["a0", "b0", "c0", "a1"]


async def test_a_newer_live_frame_supersedes_live_ones_of_its_camera_only() -> None:
    backlog: Backlog[Waiting] = Backlog()
    spooled, other = Waiting("spooled", "a"), Waiting("other", "b", live=True)
    await backlog.add([Waiting("old", "a", live=True), spooled, other, Waiting("new", "a", live=True)])
    frames, superseded = await backlog.take(9)
    assert {frame.id for frame in frames} == {"spooled", "other", "new"}
    assert [frame.id for frame in superseded] == ["old"]


async def test_a_camera_with_a_full_queue_waits_and_others_do_not() -> None:
    backlog: Backlog[Waiting] = Backlog(per_camera=2)
    await backlog.add([Waiting("1", "a"), Waiting("2", "a")])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(backlog.room("a"), 0.01)
    await asyncio.wait_for(backlog.room("b"), 1)
    await backlog.take(1)
    await asyncio.wait_for(backlog.room("a"), 1)


async def test_put_back_frames_come_first_again_in_their_order() -> None:
    backlog: Backlog[Waiting] = Backlog()
    await backlog.add([Waiting(str(n), "a") for n in range(4)])
    frames, _ = await backlog.take(2)
    await backlog.put_back(frames)
    again, _ = await backlog.take(4)
    assert [frame.id for frame in again] == ["0", "1", "2", "3"]


async def test_lanes_are_apart_and_may_change() -> None:
    lanes = {"a": "far", "b": "near"}
    backlog: Backlog[Waiting] = Backlog(lane_of=lambda camera: lanes[camera])
    await backlog.add([Waiting("a0", "a"), Waiting("b0", "b"), Waiting("a1", "a")])
    assert {await backlog.another_lane([]), await backlog.another_lane(["far"])} == {"far", "near"}
    assert [frame.id for frame in (await backlog.take(9, "near"))[0]] == ["b0"]
    waiting = asyncio.create_task(backlog.take(9, "near"))
    await asyncio.sleep(0)
    lanes["a"] = "near"
    await backlog.look_again()
    assert [frame.id for frame in (await asyncio.wait_for(waiting, 1))[0]] == ["a0", "a1"]
    another = asyncio.create_task(backlog.another_lane(["near"]))
    lanes["a"] = "third"
    await backlog.add([Waiting("a2", "a")])
    assert await asyncio.wait_for(another, 1) == "third"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30), st.integers(1, 7))
def test_every_frame_comes_out_once(arrivals: list[tuple[str, bool]], most: int) -> None:
    async def through() -> list[str]:
        backlog: Backlog[Waiting] = Backlog()
        for number, (camera, live) in enumerate(arrivals):
            await backlog.add([Waiting(str(number), camera, live)])
        out: list[str] = []
        while len(backlog):
            frames, superseded = await backlog.take(most)
            out += [frame.id for frame in [*frames, *superseded]]
            assert all(frame.live for frame in superseded)
        return out

    assert sorted(asyncio.run(through())) == sorted(map(str, range(len(arrivals))))


async def test_what_waits_for_a_recogniser_that_is_away_is_not_superseded() -> None:
    """Live frames are, for speed; but one of a lesson in which nobody could look would make everybody absent."""
    backlog: Backlog[Waiting] = Backlog(per_camera=2, per_camera_held=3, lane_of=lambda camera: camera)
    await backlog.add([Waiting("a0", "a", live=True), Waiting("b0", "b", live=True)])
    frames, _ = await backlog.take(9, "a")
    await backlog.put_back(frames)
    await backlog.add([Waiting("a1", "a", live=True), Waiting("b1", "b", live=True)])
    await asyncio.wait_for(backlog.room("a"), 1)
    await backlog.add([Waiting("a2", "a", live=True)])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(backlog.room("a"), 0.01)
    frames, superseded = await backlog.take(1, "a")
    assert [frame.id for frame in frames] == ["a0"]
    assert [frame.id for frame in superseded] == ["b0"], "its own recogniser works"
    backlog.release("a")
    await backlog.add([Waiting("a3", "a", live=True), Waiting("a4", "a", live=True)])
    frames, superseded = await backlog.take(9, "a")
    assert [frame.id for frame in frames] == ["a1", "a2", "a4"]
    assert [frame.id for frame in superseded] == ["a3"]
