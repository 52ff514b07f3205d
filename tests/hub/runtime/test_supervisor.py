"""Cameras under supervision: whatever one of them does, it stops only itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.plugin import Burst, CameraEvent, Config, NeedsHuman, NotReady, Permanent, PluginContext
from hub.runtime.health import Health, State
from hub.runtime.limits import Limits
from hub.runtime.supervisor import Supervisor
from tests.support.plugins import QUICK, FakeCamera, camera_spec, frame, surroundings


class Hub:
    """A supervisor with what it delivered and every health it reported."""

    def __init__(self, folder: Path, limits: Limits = QUICK) -> None:
        self.delivered: list[tuple[str, Any]] = []
        self.healths: list[tuple[str, Health]] = []
        self.supervisor = Supervisor(
            surroundings(folder), limits=limits, on_health=lambda *change: self.healths.append(change)
        )

    async def deliver(self, camera: str, event: CameraEvent) -> None:
        self.delivered.append((camera, event))

    def start(self, camera: str, *args: Any, **kwargs: Any) -> None:
        self.supervisor.start_camera(camera, camera_spec(*args, **kwargs), {}, self.deliver)

    def state(self, camera: str) -> State:
        return self.supervisor.health[camera].state

    def seqs(self, camera: str) -> list[int]:
        return [event.seq for name, event in self.delivered if name == camera]

    def states(self, camera: str) -> list[State]:
        """Without repetitions."""
        states = [health.state for name, health in self.healths if name == camera]
        return [state for i, state in enumerate(states) if i == 0 or state != states[i - 1]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path)
    async with hub.supervisor:
        yield hub


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def three() -> AsyncIterator[CameraEvent]:
    for seq in range(3):
        yield frame(seq)


async def endless() -> AsyncIterator[CameraEvent]:
    seq = 0
    while True:
        yield frame(seq % 60)
        seq += 1
        await asyncio.sleep(0.001)


async def test_a_camera_that_ends_has_finished(hub: Hub) -> None:
    hub.start("door", three)
    await hub.supervisor.ended("door")
    assert hub.seqs("door") == [0, 1, 2]
    assert hub.states("door") == [State.RUNNING, State.FINISHED]
    assert hub.supervisor.health["door"].last_event_at is not None


async def test_opened_used_and_closed_by_one_task(hub: Hub) -> None:
    tasks = []

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        async def events() -> AsyncIterator[CameraEvent]:
            tasks.append(asyncio.current_task())
            yield frame(0)

        tasks.append(asyncio.current_task())
        yield FakeCamera(events)
        tasks.append(asyncio.current_task())

    hub.start("door", open_camera=open_it)
    await hub.supervisor.ended("door")
    assert len(tasks) == 3
    assert len(set(tasks)) == 1


async def test_code_after_a_yield_runs_once_the_hub_has_the_event(hub: Hub) -> None:
    log = []

    async def events() -> AsyncIterator[CameraEvent]:
        log.append("read")
        yield frame(0)
        log.append("moved")

    async def slow(camera: str, event: CameraEvent) -> None:
        await asyncio.sleep(0.02)
        log.append("kept")

    hub.supervisor.start_camera("door", camera_spec(events), {}, slow)
    await hub.supervisor.ended("door")
    assert log == ["read", "kept", "moved"]


async def test_an_event_the_hub_cannot_take_is_offered_again_and_nothing_is_lost_or_overtaken(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = iter([True, True, False, True, False, False])

    async def full_at_times(camera: str, event: CameraEvent) -> None:
        if next(refusals):
            raise OSError(28, "No space left on device", "/srv/inbox/anna.jpg")
        await hub.deliver(camera, event)

    hub.supervisor.start_camera("door", camera_spec(three), {}, full_at_times)
    await hub.supervisor.ended("door")
    assert hub.seqs("door") == [0, 1, 2]
    assert hub.state("door") is State.FINISHED
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "No space left on device" in warnings[0]
    assert "anna" not in caplog.text


async def test_not_ready_is_retried_and_said_once(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    attempts = 0

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        nonlocal attempts
        attempts += 1
        if attempts <= 4:
            raise NotReady("no route to the camera", hint="is it switched on?")
        yield FakeCamera(endless)

    hub.start("door", open_camera=open_it)
    await until(lambda: hub.state("door") is State.RUNNING)
    health = hub.supervisor.health["door"]
    assert (health.restarts, health.last_error, health.hint) == (4, "no route to the camera", "is it switched on?")
    loud = [(r.levelname, r.getMessage()) for r in caplog.records if r.levelno >= logging.INFO]
    assert [level for level, _ in loud] == ["WARNING", "INFO"]
    assert "no route to the camera; is it switched on?" in loud[0][1]


@pytest.mark.parametrize(
    ("error", "state"),
    [(NeedsHuman("the key is wrong"), State.NEEDS_HUMAN), (Permanent("no such model"), State.FAILED)],
)
@pytest.mark.parametrize("where", ["open", "events"])
async def test_parked_until_started_anew(hub: Hub, error: Exception, state: State, where: str) -> None:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        async def events() -> AsyncIterator[CameraEvent]:
            yield frame(0)
            raise error

        if where == "open":
            raise error
        yield FakeCamera(events)

    hub.start("door", open_camera=open_it)
    await hub.supervisor.ended("door")
    await asyncio.sleep(0.05)
    assert hub.state("door") is state
    assert hub.supervisor.health["door"].restarts == 0
    await hub.supervisor.stop("door")
    hub.start("door", three)
    await hub.supervisor.ended("door")
    assert hub.state("door") is State.FINISHED


class Panic(BaseException):
    """What a Rust extension raises."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad pixel at rtsp://admin:hunter2@cam/1"),
        SystemExit(3),
        KeyboardInterrupt(),
        Panic("index out of bounds"),
        asyncio.CancelledError(),
        StopAsyncIteration(),
        RecursionError("deep"),
        ExceptionGroup("several", [OSError("x"), ValueError("y")]),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("where", ["open", "events", "close", "call"])
async def test_whatever_it_raises_is_retried_and_disturbs_nobody(
    hub: Hub, error: BaseException, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.start("other", endless)
    attempts = 0

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        nonlocal attempts
        attempts += 1

        def fail(place: str) -> None:
            if attempts == 1 and place == where:
                raise error

        async def events() -> AsyncIterator[CameraEvent]:
            await context.run_blocking(fail, "call")
            yield frame(attempts)
            fail("events")

        fail("open")
        yield FakeCamera(events)
        fail("close")

    hub.start("door", open_camera=open_it)
    await hub.supervisor.ended("door")
    assert hub.state("door") is State.FINISHED
    if where == "close":  # it had done its work
        assert attempts == 1
        assert "door: fault while closing" in caplog.text
    else:
        assert attempts == 2
        assert "fault of the plugin" in hub.supervisor.health["door"].last_error
    assert hub.state("other") is State.RUNNING
    seen = len(hub.seqs("other"))
    await until(lambda: len(hub.seqs("other")) > seen)
    assert "hunter2" not in caplog.text


async def test_an_exception_of_a_task_group_inside_the_plugin_counts_as_what_it_contains(hub: Hub) -> None:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        async def reader() -> None:
            await asyncio.sleep(0.01)
            raise NeedsHuman("the lens cap is on")

        async with asyncio.TaskGroup() as group:
            group.create_task(reader())
            yield FakeCamera(endless)

    hub.start("door", open_camera=open_it)
    await hub.supervisor.ended("door")
    assert hub.state("door") is State.NEEDS_HUMAN
    assert hub.supervisor.health["door"].last_error == "the lens cap is on"


async def test_stopping_ends_the_tasks_a_plugin_started(hub: Hub) -> None:
    ended = []

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        async def reader() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append("reader")

        async with asyncio.TaskGroup() as group:
            group.create_task(reader())
            yield FakeCamera(endless)

    hub.start("door", open_camera=open_it)
    await until(lambda: bool(hub.delivered))
    await hub.supervisor.stop("door")
    assert ended == ["reader"]


GARBAGE = [None, b"\xff\xd8", 7, "frame", object(), Burst((Burst(()),)), Burst((frame(1), 7))]  # type: ignore[arg-type]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: type(value).__name__)
async def test_garbage_faults_the_camera_and_is_not_delivered(hub: Hub, garbage: object) -> None:
    async def events() -> AsyncIterator[Any]:
        yield frame(0)
        yield garbage

    hub.start("door", events)
    await until(lambda: hub.supervisor.health["door"].restarts >= 2)
    assert "instead of a Frame, Heartbeat or Detections" in hub.supervisor.health["door"].last_error
    assert set(hub.seqs("door")) == {0}


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        (lambda config, context: None, "open() returned a NoneType instead of an async context manager"),
        (lambda config, context: asyncio.sleep(0), "open() returned a coroutine"),
        (lambda config, context: three(), "open() returned a async_generator"),
        (lambda config, context: asyncio.timeout(9), "open() gave a Timeout, which is no camera"),
    ],
)
async def test_an_open_that_gives_no_camera(hub: Hub, opened: Any, told: str) -> None:
    hub.start("door", open_camera=opened)
    await until(lambda: hub.state("door") is State.RETRYING)
    assert told in hub.supervisor.health["door"].last_error


async def test_events_that_are_no_iterator(hub: Hub) -> None:
    async def events() -> list[CameraEvent]:
        return [frame(0)]

    hub.start("door", events)
    await until(lambda: hub.state("door") is State.RETRYING)
    assert "events() gave a coroutine instead of an async iterator" in hub.supervisor.health["door"].last_error


async def test_a_hanging_open_is_said_given_up_and_tried_again(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        await asyncio.sleep(100)
        yield FakeCamera(three)

    hub.start("door", open_camera=open_it)
    await until(lambda: hub.supervisor.health["door"].restarts >= 1)
    assert "door: still opening after 0 s" in caplog.text
    assert hub.supervisor.health["door"].last_error.startswith("did not open within 0.3 s")
    assert len(hub.supervisor.abandoned) == 0


async def test_progress_keeps_a_slow_opening_alive(hub: Hub) -> None:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        def build() -> None:
            for step in range(5):
                time.sleep(0.12)
                context.progress(f"building: {step} of 5")

        await context.run_blocking(build)
        yield FakeCamera(three)

    hub.start("door", open_camera=open_it)
    await hub.supervisor.ended("door")
    assert hub.states("door") == [State.STARTING, State.RUNNING, State.FINISHED]
    assert [health.progress for _, health in hub.healths][:2] == ["building: 0 of 5", "building: 1 of 5"]
    assert hub.supervisor.health["door"].restarts == 0


async def test_a_hanging_close_is_cancelled(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        yield FakeCamera(three)
        await asyncio.sleep(100)

    hub.start("door", open_camera=open_it)
    async with asyncio.timeout(2):
        await hub.supervisor.ended("door")
    assert "door: does not finish closing" in caplog.text
    assert hub.state("door") is State.FINISHED


async def test_a_plugin_that_swallows_its_cancellation_is_abandoned_and_its_late_frames_ignored(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()

    async def events() -> AsyncIterator[CameraEvent]:
        yield frame(0)
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        yield frame(1)

    hub.start("door", events)
    await until(lambda: bool(hub.delivered))
    began = time.monotonic()
    await hub.supervisor.stop("door")
    assert time.monotonic() - began < 1
    assert "door: does not stop and is abandoned" in caplog.text
    assert len(hub.supervisor.abandoned) == 1
    released.set()
    await until(lambda: len(hub.supervisor.abandoned) == 0)
    assert hub.seqs("door") == [0]


async def test_the_hub_stops_in_time_whatever_its_plugins_do(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    def opener(hang: str) -> Any:
        @asynccontextmanager
        async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
            async def events() -> AsyncIterator[CameraEvent]:
                yield frame(0)
                if hang == "events":
                    await stubborn()
                    return
                if hang == "thread":
                    await context.run_blocking(time.sleep, 3)
                await asyncio.sleep(100)

            if hang == "open":
                await stubborn()
            try:
                yield FakeCamera(events)
            finally:
                if hang == "close":
                    await stubborn()

        return open_it

    hub = Hub(tmp_path)
    async with hub.supervisor:
        for hang in ("open", "events", "thread", "close"):
            hub.start(hang, open_camera=opener(hang))
        hub.start("good", endless)
        await until(lambda: len({name for name, _ in hub.delivered}) == 4)
        began = time.monotonic()
    assert time.monotonic() - began < QUICK.stop_cap + 0.5
    assert len(hub.supervisor.abandoned) == 3
    released.set()
    await until(lambda: len(hub.supervisor.abandoned) == 0)


async def test_two_plugins_cannot_share_an_id(hub: Hub) -> None:
    hub.start("door", endless)
    with pytest.raises(Permanent, match="two plugins have the id door"):
        hub.start("door", endless)


async def test_each_camera_waits_for_its_own_acknowledgements_only(hub: Hub) -> None:
    async def stuck(camera: str, event: CameraEvent) -> None:
        await asyncio.sleep(100)

    hub.supervisor.start_camera("stuck", camera_spec(three), {}, stuck)
    hub.start("door", three)
    await hub.supervisor.ended("door")
    assert hub.seqs("door") == [0, 1, 2]


async def test_a_long_good_run_forgets_earlier_failures(tmp_path: Path) -> None:
    limits = Limits(first_retry=0.02, longest_retry=30, good_run=0.05)
    hub = Hub(tmp_path, limits)

    async def events() -> AsyncIterator[CameraEvent]:
        await asyncio.sleep(0.06)
        raise NotReady("again")
        yield frame(0)

    async with hub.supervisor:
        hub.start("door", events)
        # Without forgetting, eight failures would have to wait 0.02 · (1 + 2 + … + 128) / 2 = 2.5 s at least.
        async with asyncio.timeout(2):
            await until(lambda: hub.supervisor.health["door"].restarts >= 8)
