"""The folder camera: what is handed on, when, in which order, and never twice."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import voluptuous as vol

from hub.plugin import Camera, CameraEvent, Frame, Heartbeat, NeedsHuman, NotReady
from hub.plugin.media import decode
from plugins.cameras.folder import CONFIG_SCHEMA, fras_plugins, open_folder
from tests.support.context import Ledger, ManualClock, make_context
from tests.support.media import exif, gif_file, image_file, scene, timedelta_ms, video

LONG_AGO = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@asynccontextmanager
async def folder_camera(
    root: Path, ledger: Ledger | None = None, clock: ManualClock | None = None, **config: Any
) -> AsyncIterator[Camera]:
    checked = vol.Schema(dict(CONFIG_SCHEMA))({"path": root.name, **config})
    async with (
        make_context(root.parent, clock=clock or ManualClock(), acknowledged=ledger or Ledger()) as context,
        open_folder(checked, context) as camera,
    ):
        yield camera


async def taken(camera: Camera, ledger: Ledger | None = None, most: int = 1000) -> list[CameraEvent]:
    """Up to `most` events; as the hub does, a frame is acknowledged before the next event is asked for."""
    events: list[CameraEvent] = []
    async with aclosing(camera.events()) as source:  # type: ignore[type-var]
        async for event in source:
            events.append(event)
            if ledger and isinstance(event, Frame):
                ledger.held.add((event.epoch, event.seq))
            if len(events) == most:
                break
    return events


async def once(root: Path, ledger: Ledger | None = None, **config: Any) -> list[CameraEvent]:
    async with folder_camera(root, ledger, mode="once", **config) as camera:
        return await taken(camera, ledger)


def frames(events: list[CameraEvent]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def put(path: Path, data: bytes | None = None, when: datetime = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_file(scene()) if data is None else data)
    os.utime(path, (when.timestamp(), when.timestamp()))
    return path


def origins(events: list[CameraEvent]) -> list[str]:
    return [frame.origin for frame in frames(events)]


async def test_images_once_in_natural_order_then_a_heartbeat_at_the_latest(root: Path) -> None:
    put(root / "img10.jpg", when=LONG_AGO)
    put(root / "img2.png", image_file(scene(), "PNG"), when=LONG_AGO + timedelta(minutes=5))
    put(root / "later" / "img1.JPG")
    put(root / "notes.txt", b"no image")
    put(root / ".hidden.jpg")
    events = await once(root)
    assert origins(events) == ["img2.png", "img10.jpg", "later/img1.JPG"]
    assert events[-1] == Heartbeat(LONG_AGO + timedelta(minutes=5))
    assert frames(events)[0].image == (root / "img2.png").read_bytes()
    assert not any(frame.live for frame in frames(events))


async def test_an_empty_folder_says_nothing(root: Path) -> None:
    assert await once(root) == []


async def test_a_single_file(root: Path) -> None:
    put(root / "one.jpg")
    async with folder_camera(root, mode="once", path="incoming/one.jpg") as camera:
        assert origins(await taken(camera)) == ["one.jpg"]


async def test_capture_time_of_images(root: Path) -> None:
    put(root / "exif.jpg", image_file(scene(), exif=exif(taken="2026:07:01 09:05:00")))
    put(root / "plain.jpg", when=LONG_AGO + timedelta(microseconds=250_000))
    first, second = frames(await once(root))
    assert first.captured_at == datetime(2026, 7, 1, 7, 5, tzinfo=UTC)
    assert second.captured_at == LONG_AGO + timedelta(microseconds=250_000)


async def test_videos_are_sampled_and_timed_from_their_start(root: Path) -> None:
    path = video(root / "clip.mp4", [scene(seed=n) for n in range(30)], rate=10)
    os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    events = await once(root)
    assert [frame.captured_at - LONG_AGO for frame in frames(events)] == [timedelta(seconds=n) for n in range(3)]
    assert origins(events) == ["clip.mp4#t=0.00s", "clip.mp4#t=1.00s", "clip.mp4#t=2.00s"]
    for number, frame in enumerate(frames(events)):
        assert np.abs(decode(frame.image).pixels.astype(int) - scene(seed=10 * number)).mean() < 12
    assert events[-1] == Heartbeat(LONG_AGO + timedelta(seconds=2))


async def test_every_zero_takes_every_frame(root: Path) -> None:
    put(root / "moving.gif", gif_file([scene(seed=n) for n in range(4)], [timedelta_ms(300)] * 4))
    taken_at = [frame.captured_at - LONG_AGO for frame in frames(await once(root, every="0 s"))]
    assert taken_at == [timedelta(seconds=0.3 * n) for n in range(4)]


async def test_recording_start_in_the_container(root: Path) -> None:
    video(root / "clip.mp4", [scene()] * 3, creation_time="2026-03-04T05:06:07.000000Z")
    assert frames(await once(root))[0].captured_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def test_restart_hands_nothing_on_twice(root: Path) -> None:
    for number in range(5):
        put(root / f"{number}.jpg")
    put(root / "still.gif", image_file(scene(), "GIF"))
    video(root / "clip.mkv", [scene(seed=n) for n in range(40)], rate=10)
    ledger = Ledger()
    everything = origins(await once(root, ledger))
    assert len(everything) == 6 + 4
    for interrupted_after in range(1, len(everything)):
        ledger = Ledger()
        async with folder_camera(root, ledger, mode="once") as camera:
            before = origins(await taken(camera, ledger, interrupted_after))
        assert before + origins(await once(root, ledger)) == everything
        assert origins(await once(root, ledger)) == []


async def test_a_file_that_changes_is_another(root: Path) -> None:
    path = put(root / "door.jpg")
    ledger = Ledger()
    await once(root, ledger)
    put(path, when=LONG_AGO + timedelta(seconds=1))
    assert len(frames(await once(root, ledger))) == 1


async def test_a_finished_video_is_not_decoded_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video(root / "clip.mp4", [scene()] * 20)
    ledger = Ledger()
    assert len(frames(await once(root, ledger))) == 2
    monkeypatch.setattr("plugins.cameras.folder.camera.frames", None)
    assert await once(root, ledger) == []


async def test_a_restored_database_gets_the_end_of_a_video(root: Path) -> None:
    video(root / "clip.mp4", [scene()] * 40)
    whole = await once(root, Ledger())
    restored = Ledger()
    restored.held = {(frame.epoch, frame.seq) for frame in frames(whole)[:2]}
    assert origins(await once(root, restored)) == origins(whole)[2:]


async def test_a_new_database_gets_finished_videos_again(root: Path) -> None:
    video(root / "clip.mp4", [scene()] * 20)
    await once(root, Ledger())
    assert len(frames(await once(root, Ledger()))) == 2


async def test_the_ledger_is_asked_in_batches(root: Path) -> None:
    data = image_file(scene(8, 8))
    for number in range(600):
        put(root / f"{number}.jpg", data)
    ledger = Ledger()
    assert len(frames(await once(root, ledger))) == 600
    ledger.asked.clear()
    assert await once(root, ledger) == []
    assert ledger.asked == [256, 256, 88]


@pytest.fixture
def quick_root(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: making many files on a disk is slow."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder) / "incoming"


@pytest.mark.slow
async def test_a_hundred_thousand_files(quick_root: Path) -> None:
    """The first frame needs no look into the others, a restart none into any; memory stays bounded."""
    root = quick_root
    root.mkdir()
    for number in range(100_000):
        os.close(os.open(f"{root}/img{number}.jpg", os.O_CREAT | os.O_WRONLY))
    process = psutil.Process()
    before = process.memory_info().rss
    ledger = Ledger()
    async with folder_camera(root, ledger, mode="once") as camera:
        assert origins(await taken(camera, ledger, most=300))[-1] == "img299.jpg"
    assert ledger.asked == [256, 256]
    assert process.memory_info().rss - before < 100_000_000
    ledger.everything = True
    started = time.process_time()
    assert await once(root, ledger) == []
    assert time.process_time() - started < 15
    assert process.memory_info().rss - before < 100_000_000


async def test_pace(root: Path) -> None:
    for number in range(3):
        put(root / f"{number}.jpg")
    clock = ManualClock()
    async with folder_camera(root, clock=clock, mode="once", paced=True, every="5 s") as camera:
        await taken(camera)
    assert clock.slept == [5, 5]


async def test_loop_pretends_to_be_live(root: Path) -> None:
    put(root / "a.jpg")
    video(root / "b.mp4", [scene()] * 20)
    clock = ManualClock()
    started = clock.now()
    async with folder_camera(root, clock=clock, mode="loop", every="1 s") as camera:
        events = await taken(camera, most=7)
    assert origins(events) == ["a.jpg", "b.mp4#t=0.00s", "b.mp4#t=1.00s"] * 2 + ["a.jpg"]
    assert [frame.seq for frame in frames(events)] == [1, 2, 3, 4, 5, 6, 7]
    assert {frame.epoch for frame in frames(events)} == {int(started.timestamp() * 1000)}
    assert all(frame.live for frame in frames(events))
    assert [frame.captured_at for frame in frames(events)] == [started + timedelta(seconds=n) for n in range(7)]


async def test_loop_over_nothing_does_not_spin(root: Path) -> None:
    clock = ManualClock()

    def arrive() -> None:
        if len(clock.slept) == 3:
            put(root / "a.jpg")

    clock.while_asleep = arrive
    async with folder_camera(root, clock=clock, mode="loop") as camera:
        assert len(await taken(camera, most=1)) == 1
    assert clock.slept[:3] == [2, 2, 2]


async def watched(root: Path, steps: list[Callable[[ManualClock], Any]], **config: Any) -> list[CameraEvent]:
    """What a watching camera hands on while one of `steps` happens in each of its pauses."""
    clock = ManualClock()
    events: list[CameraEvent] = []

    def step() -> None:
        if len(clock.slept) > len(steps):
            raise StopWatching
        steps[len(clock.slept) - 1](clock)

    clock.while_asleep = step
    async with folder_camera(root, clock=clock, mode="watch", **config) as camera:
        source = camera.events()
        while True:
            try:
                events.append(await anext(source))
            except StopWatching:
                return events


class StopWatching(Exception):
    pass


def nothing(clock: ManualClock) -> None:
    """A pause in which nothing happens."""


async def test_watch_takes_what_is_there_and_what_arrives(root: Path) -> None:
    put(root / "old.jpg")
    arrivals = [
        lambda clock: put(root / "new.jpg", when=clock.now()),
        nothing,
        nothing,
        lambda clock: put(root / "deep" / "newer.jpg", when=clock.now()),
        nothing,
        nothing,
    ]
    events = await watched(root, arrivals)
    assert origins(events) == ["old.jpg", "new.jpg", "deep/newer.jpg"]
    assert [type(event) for event in events] == [Frame, Heartbeat] * 3


async def test_a_heartbeat_waits_for_images_still_being_written(root: Path) -> None:
    """One image a second: there is always one that is not settled yet, and the watermark still follows."""
    steps = [lambda clock, n=n: put(root / f"{n}.jpg", when=clock.now() - timedelta(seconds=0.5)) for n in range(5)]
    events = await watched(root, [*steps, nothing, nothing])
    assert origins(events) == [f"{n}.jpg" for n in range(5)]
    captured = [frame.captured_at for frame in frames(events)]
    assert [event.until for event in events if isinstance(event, Heartbeat)] == captured
    for position, event in enumerate(events):
        if isinstance(event, Heartbeat):
            assert all(frame.captured_at > event.until for frame in frames(events[position:]))


async def test_a_late_image_does_not_turn_the_heartbeat_back(root: Path) -> None:
    put(root / "new.jpg")
    late = [lambda clock: put(root / "old.jpg", when=LONG_AGO - timedelta(days=1)), nothing]
    assert [type(event) for event in await watched(root, late)] == [Frame, Heartbeat, Frame]


async def test_watch_leaves_a_file_alone_while_it_is_written(root: Path) -> None:
    data = image_file(scene(200, 150))
    grows = [
        lambda clock, end=end: put(root / "slow.jpg", data[:end], when=clock.now())
        for end in range(0, len(data), len(data) // 4)
    ]
    finish = lambda clock: put(root / "slow.jpg", data, when=clock.now())  # noqa: E731
    events = await watched(root, [*grows, finish, nothing, nothing])
    assert [frame.image for frame in frames(events)] == [data]


async def test_watch_takes_a_file_from_the_future_once_it_rests(root: Path) -> None:
    """A camera or file server whose clock is ahead."""
    events = await watched(
        root, [lambda clock: put(root / "a.jpg", when=clock.now() + timedelta(hours=3)), nothing, nothing]
    )
    assert origins(events) == ["a.jpg"]


async def test_watch_survives_files_that_go_away(root: Path) -> None:
    put(root / "a.jpg")
    events = await watched(
        root, [lambda clock: (root / "a.jpg").unlink(), nothing, lambda clock: put(root / "a.jpg"), nothing]
    )
    assert len(frames(events)) == 2


async def test_a_watched_folder_that_goes_away_is_tried_again(root: Path) -> None:
    clock = ManualClock()
    clock.while_asleep = root.rmdir
    async with folder_camera(root, clock=clock) as camera:
        with pytest.raises(NotReady, match="cannot be listed"):
            await taken(camera)


async def test_files_that_vanish_while_being_read(root: Path) -> None:
    for name in ("1.jpg", "2.jpg", "3.mp4", "4.jpg"):
        put(root / name)
    async with folder_camera(root, mode="once") as camera:
        events = camera.events()
        assert isinstance(await anext(events), Frame)
        (root / "2.jpg").unlink()
        (root / "3.mp4").unlink()
        last = await anext(events)
        assert isinstance(last, Frame)
        assert last.origin == "4.jpg"
        assert isinstance(await anext(events), Heartbeat)


async def test_damaged_images_are_handed_on_for_the_hub_to_reject(root: Path) -> None:
    put(root / "empty.jpg", b"")
    put(root / "text.jpg", b"no image at all")
    put(root / "cut.jpg", image_file(scene())[:300])
    assert sorted(origins(await once(root))) == ["cut.jpg", "empty.jpg", "text.jpg"]


async def test_a_video_that_is_cut_off_gives_what_it_has(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = video(root / "Ada Lovelace.mkv", [scene(200, 150, n) for n in range(60)])
    put(path, path.read_bytes()[: path.stat().st_size // 2])
    put(root / "b.jpg")
    ledger = Ledger()
    with caplog.at_level(logging.DEBUG):
        events = await once(root, ledger)
    assert 2 <= len(frames(events)) <= 5
    assert origins(events)[-1] == "b.jpg"
    assert "cut off after" in caplog.text
    assert "Ada" not in caplog.text
    assert await once(root, ledger) == []


async def test_a_broken_video_and_a_huge_image_stop_nothing(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.cameras.folder.reading.MOST_BYTES", 5000)
    put(root / "a.mp4", b"no video" * 100)
    put(root / "b.jpg", image_file(scene(8, 8)) + bytes(5000))
    put(root / "c.jpg", image_file(scene(8, 8)))
    assert origins(await once(root)) == ["c.jpg"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize(
    "name", ["学生 ۷.jpg", 'it\'s "quoted".jpg', "new\nline.jpg", "back\\slash.jpg", "-rf.jpg", "%s{}.jpg", "🙂.jpg"]
)
async def test_names_in_any_script(root: Path, name: str) -> None:
    put(root / name)
    assert origins(await once(root)) == [name]


async def test_names_that_are_not_unicode(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9.jpg")).write_bytes(image_file(scene()))
    (name,) = origins(await once(root))
    assert name.encode() == "caf\ufffd.jpg".encode()


async def test_a_name_like_an_address_stays_a_file(root: Path) -> None:
    video(root / "clip.mp4", [scene()] * 3)
    (root / "clip.mp4").rename(root / "concat:x|y.mp4")
    assert len(frames(await once(root))) == 1


async def test_the_loop_is_never_blocked_by_a_slow_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    import plugins.cameras.folder.camera as module

    put(root / "a.jpg")
    threads: list[str] = []
    for name in ("still", "classify", "find"):
        original = getattr(module, name)

        def noted(*args: Any, original: Any = original) -> Any:
            threads.append(threading.current_thread().name)
            return original(*args)

        monkeypatch.setattr(module, name, noted)
    await once(root)
    assert sum(name.startswith("lobby") for name in threads) == 2  # `find` only makes a generator


@pytest.mark.parametrize(("mode", "error"), [("once", NeedsHuman), ("loop", NeedsHuman), ("watch", NotReady)])
async def test_a_missing_folder(root: Path, mode: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="is not there; create it"):
        async with folder_camera(root, mode=mode, path="elsewhere"):
            pass


def open_files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return found


async def test_a_pipe_is_refused_rather_than_waited_for(root: Path) -> None:
    os.mkfifo(root / "clip.mp4")
    with pytest.raises(NeedsHuman, match="neither a folder nor a file"):
        async with folder_camera(root, path="incoming/clip.mp4"):
            pass


async def test_stopping_in_the_middle_of_a_video_closes_it(root: Path) -> None:
    path = video(root / "clip.mp4", [scene(320, 240, n) for n in range(50)])
    async with folder_camera(root, mode="once", every="100 ms") as camera:
        reader = asyncio.create_task(taken(camera))
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    for _ in range(100):
        if str(path) not in open_files():
            return
        await asyncio.sleep(0.02)
    pytest.fail("the video is still open")


def test_schema() -> None:
    schema = vol.Schema(dict(CONFIG_SCHEMA))
    assert schema({"path": "in"}) == {"path": "in", "mode": "watch", "every": timedelta(seconds=1)}
    for wrong in ({}, {"path": "in", "mode": "twice"}, {"path": "in", "every": 1}, {"path": "in", "paced": "maybe"}):
        with pytest.raises(vol.Invalid):
            schema(wrong)


def test_spec() -> None:
    (spec,) = fras_plugins()
    assert spec.name == "folder"
