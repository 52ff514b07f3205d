"""Recognisers and storages behind their guards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from hub.plugin import (
    Box,
    Candidate,
    Config,
    Embedder,
    Face,
    Identifier,
    Model,
    NeedsHuman,
    NotFound,
    NotReady,
    Permanent,
    Picture,
    PluginContext,
    Quality,
    RecognizerSpec,
    Sight,
    StorageFull,
    StorageSpec,
)
from hub.runtime.faults import PluginFault
from hub.runtime.health import State
from hub.runtime.supervisor import Supervisor
from tests.support.plugins import QUICK, surroundings

MODEL = Model(id="toy", dimension=4, metric="cosine", threshold=0.5, single_frame=0.6, margin=0.1, min_face=40)
PICTURE = Picture(np.zeros((8, 8, 3), np.uint8), 8, 8)


def face(embedding: Any) -> Face:
    return Face(Box(0, 0, 4, 4), 1.0, Quality(4, 1), embedding)


def sights(*embeddings: Any) -> list[Sight]:
    return [Sight(tuple(face(embedding) for embedding in embeddings))]


class ToyEmbedder:
    model = MODEL

    def __init__(self, analyse: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._analyse = analyse

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> Any:
        return await self._analyse()


def recognizer(plugin: object, errors: list[Exception] | None = None) -> RecognizerSpec:
    """Opens `plugin` after failing once with each of `errors`."""

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[Any]:
        if errors:
            raise errors.pop(0)
        yield plugin

    return RecognizerSpec(name="toy", config_schema={}, open=open_it)


def storage(plugin: object) -> StorageSpec:
    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[Any]:
        yield plugin

    return StorageSpec(name="toy", config_schema={}, open=open_it)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor:
        yield supervisor


async def test_an_embedder_works_through_its_guard_and_is_stopped_afterwards(supervisor: Supervisor) -> None:
    good = sights(np.ones(4, np.float32))

    async def analyse() -> list[Sight]:
        return good

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        assert not isinstance(opened, Identifier)
        assert opened.model is MODEL
        assert await opened.analyse([PICTURE]) is good
        assert supervisor.health["toy"].state is State.RUNNING
    assert supervisor.health == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "gave None instead of a list"),
        ([], "gave 0 results for 1 pictures"),
        ([3], "gave a int instead of a Sight"),
        (sights([1.0, 2.0]), "is not a float32 array"),
        (sights(np.ones(4)), "is not a float32 array"),
        (sights(np.ones(5, np.float32)), "an embedding of 5 numbers, its model says 4"),
        (sights(np.array([1, np.nan, 1, 1], np.float32)), "NaN or infinity"),
        ([Sight((Face(Box(np.nan, 0, 1, 1), 1.0, Quality(1, 1), np.ones(4, np.float32)),))], "finite numbers"),
    ],
)
async def test_garbage_of_an_embedder_is_a_fault(supervisor: Supervisor, given: Any, told: str) -> None:
    async def analyse() -> Any:
        return given

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        with pytest.raises(PluginFault, match=told):
            await opened.analyse([PICTURE])
        assert told in supervisor.health["toy"].last_error


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(2), asyncio.CancelledError(), MemoryError()])
async def test_a_raising_call_is_a_fault_and_the_next_good_one_recovers(
    supervisor: Supervisor, error: BaseException
) -> None:
    failing = True

    async def analyse() -> list[Sight]:
        if failing:
            raise error
        return [Sight()]

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        with pytest.raises(PluginFault):
            await opened.analyse([PICTURE])
        assert supervisor.health["toy"].state is State.RETRYING
        failing = False
        await opened.analyse([PICTURE])
        assert supervisor.health["toy"].state is State.RUNNING


async def test_what_a_call_says_on_purpose_is_passed_on(supervisor: Supervisor) -> None:
    error = NeedsHuman("the key was revoked", hint="make a new one")

    async def analyse() -> list[Sight]:
        raise error

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        with pytest.raises(NeedsHuman) as raised:
            await opened.analyse([PICTURE])
        assert raised.value is error
        assert supervisor.health["toy"].state is State.NEEDS_HUMAN


async def test_a_hung_call_is_not_ready_and_the_plugin_is_opened_anew(supervisor: Supervisor) -> None:
    calls = 0

    async def analyse() -> list[Sight]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(100)
        return [Sight()]

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        with pytest.raises(NotReady, match=r"analyse of toy did not return within 0\.3 s"):
            await opened.analyse([PICTURE])
        assert await opened.analyse([PICTURE]) == [Sight()]
        assert supervisor.health["toy"].restarts == 1


async def test_calls_that_hang_together_open_the_plugin_anew_once(supervisor: Supervisor) -> None:
    hanging = True

    async def analyse() -> list[Sight]:
        if hanging:
            await asyncio.sleep(100)
        return [Sight()]

    async def late() -> None:
        await asyncio.sleep(0.15)
        await opened.analyse([PICTURE])

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        results = await asyncio.gather(opened.analyse([PICTURE]), late(), return_exceptions=True)
        assert [type(result) for result in results] == [PluginFault, PluginFault]
        hanging = False
        await opened.analyse([PICTURE])
        assert supervisor.health["toy"].restarts == 1


async def test_a_call_that_swallows_its_cancellation_does_not_hold_the_caller(supervisor: Supervisor) -> None:
    released = asyncio.Event()

    async def analyse() -> list[Sight]:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return []

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        began = time.monotonic()
        with pytest.raises(NotReady):
            await opened.analyse([PICTURE])
        assert time.monotonic() - began < 1
        assert len(supervisor.abandoned) == 1
        released.set()
        await asyncio.sleep(0.02)
        assert len(supervisor.abandoned) == 0


async def test_cancelling_the_caller_cancels_the_call(supervisor: Supervisor) -> None:
    cancelled = asyncio.Event()

    async def analyse() -> list[Sight]:
        try:
            await asyncio.sleep(100)
        finally:
            cancelled.set()
        return []

    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse)), {}) as opened:
        assert isinstance(opened, Embedder)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await opened.analyse([PICTURE])
        assert cancelled.is_set()
        assert supervisor.health["toy"].state is State.RUNNING


async def test_opening_waits_through_not_ready(supervisor: Supervisor) -> None:
    async def analyse() -> list[Sight]:
        return []

    errors: list[Exception] = [NotReady("still loading"), ValueError("oops")]
    async with supervisor.open_recognizer("toy", recognizer(ToyEmbedder(analyse), errors), {}) as opened:
        assert isinstance(opened, Embedder)
        assert supervisor.health["toy"].restarts == 2


@pytest.mark.parametrize("error", [NeedsHuman("no key"), Permanent("no such pack")])
async def test_opening_raises_what_parks_the_plugin(supervisor: Supervisor, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        async with supervisor.open_recognizer("toy", recognizer(None, [error]), {}):
            pytest.fail("opened")
    assert supervisor.health == {}


async def test_opening_without_patience_raises_the_first_failure(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match="no network"):
        async with supervisor.open_recognizer("toy", recognizer(None, [NotReady("no network")] * 9), {}, patience=0):
            pytest.fail("opened")


async def test_opening_raises_when_patience_ends(supervisor: Supervisor) -> None:
    with pytest.raises(NotReady, match="no network"):
        async with supervisor.open_recognizer(
            "toy", recognizer(None, [NotReady("no network") for _ in range(999)]), {}, patience=0.1
        ):
            pytest.fail("opened")


async def test_giving_up_while_it_opens_stops_it_in_time(supervisor: Supervisor) -> None:
    closed = asyncio.Event()

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[Any]:
        try:
            await context.run_blocking(time.sleep, 1)
            yield None
        finally:
            closed.set()

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with (
            asyncio.timeout(0.1),
            supervisor.open_recognizer("toy", RecognizerSpec(name="toy", config_schema={}, open=open_it), {}),
        ):
            pytest.fail("opened")
    assert closed.is_set()
    assert time.monotonic() - began < 0.8
    assert supervisor.health == {}


async def test_something_that_is_no_recogniser(supervisor: Supervisor) -> None:
    with pytest.raises(PluginFault, match="gave a int, which is no recognizer"):
        async with supervisor.open_recognizer("toy", recognizer(3), {}, patience=0):
            pytest.fail("opened")


async def test_an_identifier_through_its_guard(supervisor: Supervisor) -> None:
    found = Candidate("p1", 0.9)
    answers: list[Sequence[Candidate]] = [[found]]

    class ToyIdentifier:
        model = Model("toy", 0, "service", 0.5, 0.6, 0.1, 40)

        def __init__(self) -> None:
            self.known: list[str] = []

        async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
            return answers

        async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
            self.known.append(person)
            return [""]

        async def forget(self, person: str) -> None:
            self.known.remove(person)

        async def people(self) -> list[str]:
            return self.known

    async with supervisor.open_recognizer("toy", recognizer(ToyIdentifier()), {}) as opened:
        assert isinstance(opened, Identifier)
        assert not isinstance(opened, Embedder)
        assert opened.model.id == "toy"
        assert await opened.identify([PICTURE]) == [[found]]
        with pytest.raises(PluginFault, match="gave 1 results for 2 pictures"):
            await opened.identify([PICTURE, PICTURE])
        for wrong, said in (
            ([Candidate("p2", 0.1), found], "not best first"),
            ([found, Candidate("p1", 0.8)], "a person twice"),
            ([Candidate("p1", float("nan"))], "not best first"),
            (["p1"], "a str instead of a Candidate"),
        ):
            answers[:] = [wrong]  # type: ignore[list-item]
            with pytest.raises(PluginFault, match=said):
                await opened.identify([PICTURE])
        assert await opened.enrol("p1", [PICTURE]) == [""]
        with pytest.raises(PluginFault, match="gave 1 results for 0 pictures"):
            await opened.enrol("p2", [])
        await opened.forget("p2")
        assert await opened.people() == ["p1"]
        await opened.forget("p1")
        with pytest.raises(PluginFault, match="ValueError"):
            await opened.forget("p1")


class ToyStorage:
    def __init__(self) -> None:
        self.kept = {"a": b"1", "b": b"2"}

    async def put(self, key: str, data: bytes) -> None:
        if key == "full":
            raise StorageFull("no room on the disk")
        if key == "../x":
            raise ValueError("bad key")
        self.kept[key] = data

    async def get(self, key: str) -> bytes:
        if key == "odd":
            return "text"  # type: ignore[return-value]
        try:
            return self.kept[key]
        except KeyError:
            raise NotFound(f"nothing under {key}") from None

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        for key in sorted(self.kept):
            yield key
            if prefix == "hang":
                await asyncio.sleep(100)
            if prefix == "raise":
                raise OSError("torn")

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        return None


async def test_a_storage_through_its_guard(supervisor: Supervisor) -> None:
    async with supervisor.open_storage("disk", storage(ToyStorage()), {}) as opened:
        await opened.put("c", b"3")
        assert await opened.get("c") == b"3"
        await opened.delete("a")
        assert [key async for key in opened.list()] == ["b", "c"]
        assert await opened.link("c", timedelta(minutes=1)) is None


async def test_answers_of_a_storage_are_no_failures(supervisor: Supervisor) -> None:
    async with supervisor.open_storage("disk", storage(ToyStorage()), {}) as opened:
        with pytest.raises(NotFound):
            await opened.get("missing")
        with pytest.raises(ValueError, match="bad key"):
            await opened.put("../x", b"")
        assert supervisor.health["disk"].state is State.RUNNING
        with pytest.raises(StorageFull):
            await opened.put("full", b"")
        assert supervisor.health["disk"].state is State.RETRYING
        await opened.put("c", b"3")
        assert supervisor.health["disk"].state is State.RUNNING
        with pytest.raises(PluginFault, match="a str instead of bytes"):
            await opened.get("odd")


@pytest.mark.parametrize("prefix", ["hang", "raise"])
async def test_a_listing_that_breaks_off_is_not_ready(supervisor: Supervisor, prefix: str) -> None:
    async with supervisor.open_storage("disk", storage(ToyStorage()), {}) as opened:
        listing = opened.list(prefix)
        assert await anext(listing) == "a"
        with pytest.raises(NotReady):
            await anext(listing)


async def test_what_parked_it_is_raised_again_and_again_without_growing(tmp_path: Path) -> None:
    """An exception keeps the frames of each raising, and with them every picture that was asked about."""
    refused = NeedsHuman("no key", hint="write one")
    async with Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor:
        async with supervisor.await_recognizer("toy", recognizer(None, [refused]), {}) as awaited:
            for _ in range(3):
                with pytest.raises(NeedsHuman):
                    await awaited.opened()
            raised = refused.__traceback__
            assert awaited.why is refused
            with pytest.raises(NeedsHuman):
                await awaited.opened()
            assert depth(refused.__traceback__) == depth(raised)
        assert "toy" not in supervisor.health


def depth(trace: TracebackType | None) -> int:
    return 0 if trace is None else 1 + depth(trace.tb_next)


async def test_one_that_is_awaited_is_there_once_it_opens(tmp_path: Path) -> None:
    errors: list[Exception] = [NotReady("not yet"), NotReady("not yet")]
    plugin = ToyEmbedder(no_faces)
    async with (
        Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor,
        supervisor.await_recognizer("toy", recognizer(plugin, errors), {}) as awaited,
    ):
        with pytest.raises(NotReady, match="not yet"):
            await awaited.opened(patience=0)
        assert awaited.now is None
        assert awaited.why.message == "not yet"
        assert supervisor.health["toy"].state is State.RETRYING
        opened = await awaited.opened()
        assert awaited.now is opened
        assert await awaited.opened() is opened


async def no_faces() -> list[Sight]:
    return sights()
