"""The contracts catch what they are for: each broken toy fails the test that names its fault."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import voluptuous as vol

from hub.plugin import (
    Burst,
    CameraEvent,
    CameraSpec,
    Candidate,
    Frame,
    Heartbeat,
    Model,
    NotReady,
    Picture,
    PluginContext,
)
from hub.plugin.testing import (
    CameraContract,
    IdentifierContract,
    Opener,
    StorageContract,
    keeps_ticking,
    make_context,
    nothing_left_open,
    nothing_left_running,
)
from hub.plugin.testing import context as stand_in
from hub.plugin.testing.secrets import no_secret_is_logged, secrets_of, where_nobody_is
from hub.runtime import threads
from tests.support.plugins import FakeCamera

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def opener_of(make: Callable[[], Any]) -> Opener:
    @asynccontextmanager
    async def opened(*, held: object = ()) -> AsyncIterator[Any]:
        yield make()

    return opened


def camera(*events: CameraEvent) -> Opener:
    async def replay() -> AsyncIterator[CameraEvent]:
        for event in events:
            yield event

    return opener_of(lambda: FakeCamera(replay))


def frame(seq: int, seconds: int = 0, image: bytes = b"x") -> Frame:
    return Frame(epoch=1, seq=seq, captured_at=NOON + timedelta(seconds=seconds), image=image)


class QuickContract(CameraContract):
    module = "toy"
    patience = 0.2


async def test_a_good_camera_passes() -> None:
    contract = QuickContract()
    good = camera(frame(0), Heartbeat(NOON), Burst((frame(1, 1), frame(2, 2), Heartbeat(NOON))), frame(3, 3))
    await contract.test_yields_events_without_blocking_the_loop(good)
    await contract.test_times_are_utc_and_not_in_the_future(good)
    await contract.test_frames_are_numbered_once_and_hold_an_encoded_image(good)
    await contract.test_a_heartbeat_comes_after_everything_before_it(good)
    await contract.test_an_image_keeps_its_number_over_a_restart(good)
    await contract.test_stops_cleanly_at_any_event(good)


async def test_a_camera_that_yields_too_little() -> None:
    with pytest.raises(AssertionError, match=r"1 events in 0\.2 s"):
        await QuickContract().test_yields_events_without_blocking_the_loop(camera(frame(0)))


async def test_a_camera_that_numbers_two_frames_alike() -> None:
    with pytest.raises(AssertionError, match="two frames under one number"):
        await QuickContract().test_frames_are_numbered_once_and_hold_an_encoded_image(
            camera(frame(0), frame(1), frame(1))
        )


async def test_a_camera_that_breaks_the_word_of_its_heartbeat() -> None:
    with pytest.raises(AssertionError, match="captured before an earlier heartbeat"):
        await QuickContract().test_a_heartbeat_comes_after_everything_before_it(
            camera(frame(0), Heartbeat(NOON + timedelta(minutes=1)), frame(1, 1))
        )


async def test_a_camera_that_renumbers_after_a_restart() -> None:
    starts = 0

    async def renumbering() -> AsyncIterator[CameraEvent]:
        nonlocal starts
        starts += 1
        for seq in range(3):
            yield frame(seq, image=b"%d" % (seq + starts))

    with pytest.raises(AssertionError, match="names two different images"):
        await QuickContract().test_an_image_keeps_its_number_over_a_restart(opener_of(lambda: FakeCamera(renumbering)))


async def test_a_camera_that_forgets_what_was_not_acknowledged() -> None:
    frames = [frame(seq) for seq in range(9)]

    async def forgetful() -> AsyncIterator[CameraEvent]:
        while frames:
            yield frames.pop(0)

    with pytest.raises(AssertionError, match="did not come again"):
        await QuickContract().test_an_image_keeps_its_number_over_a_restart(opener_of(lambda: FakeCamera(forgetful)))


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def hold_all_threads(seconds: float) -> None:
    """One call that lets no other thread run, as some libraries' are."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(10**6))


@pytest.mark.parametrize("block", [time.sleep, compute, hold_all_threads])
async def test_a_plugin_that_blocks_the_loop(block: Callable[[float], None]) -> None:
    with pytest.raises(AssertionError, match="the event loop was blocked for"):
        async with keeps_ticking(0.1):
            block(0.5)


async def test_a_machine_that_has_no_time_for_this_process_is_no_plugin_that_blocks() -> None:
    pause = f"kill -STOP {os.getpid()}; sleep 0.5; kill -CONT {os.getpid()}"
    began = time.monotonic()
    async with keeps_ticking(0.1):
        assert await (await asyncio.create_subprocess_shell(pause)).wait() == 0
    assert time.monotonic() - began >= 0.5


async def test_a_plugin_that_leaves_a_task_or_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.plugin.testing.leaks.PATIENCE", 0.05)
    with pytest.raises(AssertionError, match="task left-over"):
        async with nothing_left_running():
            task = asyncio.create_task(asyncio.sleep(9), name="left-over")
    task.cancel()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="left-over", daemon=True)
    with pytest.raises(AssertionError, match="thread left-over"):
        async with nothing_left_running():
            thread.start()
    release.set()
    thread.join()


async def test_a_plugin_that_leaves_a_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.plugin.testing.leaks.PATIENCE", 0.05)
    with pytest.raises(AssertionError, match="left open after closing: socket"):
        async with nothing_left_open():
            left = socket.socket()
    async with nothing_left_open():
        left.close()
        with socket.socket():
            pass


@pytest.mark.parametrize(("moment", "live"), [(timedelta(minutes=2), False), (timedelta(minutes=-2), True)])
async def test_a_camera_whose_clock_is_off(moment: timedelta, live: bool) -> None:
    wrong = replace(frame(0), captured_at=datetime.now(UTC) + moment, live=live)
    right = replace(frame(0), captured_at=datetime.now(UTC), live=live)
    await QuickContract().test_times_are_utc_and_not_in_the_future(camera(right))
    with pytest.raises(AssertionError, match=r"in the future|a live picture of"):
        await QuickContract().test_times_are_utc_and_not_in_the_future(camera(wrong))


CONFIG = {"url": "http://admin:p%40ss@127.0.0.1:8080/x.jpg", "api_key": "abcdef", "entra": {"client_secret": "s-e-c"}}


def test_what_is_secret_in_a_configuration() -> None:
    assert secrets_of(CONFIG) == {"p%40ss", "p@ss", "p%2540ss", "abcdef", "s-e-c"}
    assert secrets_of({"path": "incoming", "every": "1 s", "keys": 3, "password": "abc"}) == frozenset()


def test_where_nobody_is() -> None:
    assert where_nobody_is(CONFIG) == {**CONFIG, "url": "http://admin:p%40ss@127.0.0.1:1/x.jpg"}
    assert where_nobody_is({"path": "incoming", "url": "http://192.168.127.0.0.1:80"}) is None


@pytest.mark.parametrize("said", ["in the message", "behind it", "not at all"])
def test_a_plugin_that_logs_a_secret(said: str, caplog: pytest.LogCaptureFixture) -> None:
    def log() -> None:
        with no_secret_is_logged(frozenset({"hunter2"}), caplog):
            try:
                raise ValueError("hunter2")
            except ValueError:
                words = "hunter2" if said == "in the message" else "refused"
                logging.getLogger("fras.toy").debug(words, exc_info=said == "behind it")

    if said == "not at all":
        log()
    else:
        with pytest.raises(AssertionError, match=r"fras\.toy logged a secret"):
            log()


@pytest.mark.parametrize(
    "fault", ["", "two lines", "tells", "leaves a task", "leaves a file", "raises its own", "chains"]
)
async def test_the_contract_of_probes(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.plugin.testing.leaks.PATIENCE", 0.05)
    left: list[Any] = []

    async def probe(config: Mapping[str, Any], context: PluginContext) -> str:
        if config["url"].endswith(":1/x.jpg"):
            if fault == "raises its own":
                raise KeyError("url")
            try:
                raise OSError("abcdef")
            except OSError as error:
                raise NotReady("nobody is there") from (error if fault == "chains" else None)
        if fault == "leaves a task":
            left.append(asyncio.create_task(asyncio.sleep(9)))
        if fault == "leaves a file":
            left.append(socket.socket())
        return {"two lines": "a camera\nof ours", "tells": "a camera with abcdef"}.get(fault, "a camera")

    schema = {vol.Required("url"): str, vol.Required("api_key"): str, vol.Required("entra"): dict}
    spec = CameraSpec(name="toy", config_schema=schema, open=None, probe=probe)  # type: ignore[arg-type]

    async def prober(config: Mapping[str, Any]) -> str:
        async with make_context(tmp_path) as context:
            return await probe(config, context)

    async def everything() -> None:
        await QuickContract().test_its_probe_answers_in_one_line(spec, prober, CONFIG, secrets_of(CONFIG))
        await QuickContract().test_nobody_there_is_said_and_no_secret(spec, prober, CONFIG, secrets_of(CONFIG))

    if fault:
        with pytest.raises((AssertionError, KeyError)):
            await everything()
    else:
        await everything()
    for one in left:
        (one.cancel if fault == "leaves a task" else one.close)()


class MemoryStorage:
    """A storage that keeps the contract but for what is asked of it."""

    def __init__(self, kept: dict[str, bytes], fault: str) -> None:
        self._kept = kept
        self._fault = fault

    def _check(self, key: str) -> None:
        from hub.plugin.testing.storage import is_key

        if not is_key(key) and not (self._fault == "traversal" and key.startswith("..")):
            raise ValueError("no key")

    async def put(self, key: str, data: bytes) -> None:
        self._check(key)
        if self._fault == "torn":
            for end in (1, len(data)):
                self._kept[key] = data[:end]
                await asyncio.sleep(0)
        self._kept[key] = data

    async def get(self, key: str) -> bytes:
        from hub.plugin import NotFound

        self._check(key)
        await asyncio.sleep(0)
        if key not in self._kept:
            raise KeyError(key) if self._fault == "keyerror" else NotFound("nothing there")
        return self._kept[key]

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        for key in list(self._kept) if self._fault == "unsorted" else sorted(self._kept):
            if key.startswith(prefix):
                yield key

    async def delete(self, key: str) -> None:
        self._check(key)
        self._kept.pop(key) if self._fault == "delete" else self._kept.pop(key, None)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        self._check(key)
        return "/srv/crops/a" if self._fault == "link" else None


STORAGE_TESTS = sorted(name for name in vars(StorageContract) if name.startswith("test_"))


@pytest.mark.parametrize("name", STORAGE_TESTS)
async def test_a_good_storage_passes(name: str) -> None:
    kept: dict[str, bytes] = {}
    opener = opener_of(lambda: MemoryStorage(kept, ""))
    await _without_hypothesis(getattr(StorageContract(), name), opener)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("traversal", "test_a_key_that_is_none_is_refused"),
        ("torn", "test_writers_at_the_same_time_never_mix"),
        ("keyerror", "test_what_is_not_there_is_not_found"),
        ("unsorted", "test_behaves_like_a_sorted_dictionary"),
        ("delete", "test_deleting_twice_is_fine"),
        ("link", "test_a_link_is_an_url_or_none"),
    ],
)
async def test_a_broken_storage_fails(fault: str, name: str) -> None:
    kept: dict[str, bytes] = {}
    opener = opener_of(lambda: MemoryStorage(kept, fault))
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        await _without_hypothesis(getattr(StorageContract(), name), opener)


async def _without_hypothesis(test: Any, opener: Opener) -> None:
    """Runs a test of the contract; one that takes examples gets a telling one."""
    examples: dict[str, dict[str, Any]] = {
        "test_behaves_like_a_sorted_dictionary": {
            "steps": [
                ("put", "b/x.jpg", b"1"),
                ("put", "a/x.jpg", b"2"),
                ("list", "a", None),
                ("delete", "0/x.jpg", None),
            ]
        },
        "test_a_key_that_is_none_is_refused": {"keys": []},
    }
    if test.__name__ in examples:
        inner = test.__func__.hypothesis.inner_test
        await inner(test.__self__, opener, **examples[test.__name__])
    else:
        await test(opener)


class ToyIdentifier:
    """Knows people by the colour of their pictures."""

    model = Model("toy", 0, "service", 0.5, 0.6, 0.1, 40)

    def __init__(self, known: dict[int, str], fault: str) -> None:
        self._known = known
        self._fault = fault

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        return [self._near(int(crop.pixels[0, 0, 0])) for crop in crops]

    def _near(self, colour: int) -> list[Candidate]:
        if colour == 127:
            return []
        others = [Candidate(person, 0.1) for c, person in self._known.items() if c != colour]
        best = [Candidate(self._known[colour], 0.9)] if colour in self._known else []
        return others + best if self._fault == "order" else best + others

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        for crop in crops:
            self._known[int(crop.pixels[0, 0, 0])] = person
        return ["none" if self._fault == "refuses" else ""] * len(crops)

    async def forget(self, person: str) -> None:
        if self._fault != "remembers":
            for colour in [c for c, known in self._known.items() if known == person]:
                del self._known[colour]
        if self._fault == "unknown" and person == "nobody":
            raise KeyError(person)

    async def people(self) -> list[str]:
        return sorted(set(self._known.values()))


def portrait(colour: int) -> Picture:
    return Picture(np.full((9, 9, 3), colour, np.uint8), 9, 9)


PORTRAITS = ([portrait(10), portrait(10)], [portrait(20)])


@pytest.mark.parametrize("fault", ["", "order", "remembers", "refuses", "unknown"])
async def test_the_contract_of_identifiers(fault: str) -> None:
    known: dict[int, str] = {}
    contract, opener = IdentifierContract(), opener_of(lambda: ToyIdentifier(known, fault))

    async def everything() -> None:
        await contract.test_is_an_identifier(opener)
        await contract.test_nothing_to_identify(opener)
        await contract.test_enrol_identify_forget(opener, PORTRAITS)
        await contract.test_enrolling_again_adds_nobody(opener, PORTRAITS)
        await contract.test_the_gallery_outlives_closing(opener, PORTRAITS)
        await contract.test_forgetting_somebody_unknown_is_fine(opener)

    if fault:
        with pytest.raises((AssertionError, KeyError)):
            await everything()
    else:
        await everything()


def test_authors_have_as_many_threads_as_the_hub_gives() -> None:
    assert stand_in.THREADS == threads.THREADS


async def test_the_context_for_authors(tmp_path: Path) -> None:
    async with nothing_left_running(), make_context(tmp_path, held={(1, 2)}, time_zone="Asia/Tokyo") as context:
        assert await context.acknowledged(1, [1, 2, 3]) == {2}
        assert await context.run_blocking(int, "ff", base=16) == 255
        assert context.data_folder.is_dir()
        assert context.time_zone.key == "Asia/Tokyo"
        context.progress("1 of 2")
        assert context.said == ["1 of 2"]
        session = context.http
        assert session is context.http
    assert session.closed
