"""One thread serves many callers: order, shared batches, cancellation, failures and closing."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
import pytest_asyncio

from hub.plugin import Box, Face, Model, NotReady, Picture, Quality, Sight
from plugins.recognizers.onnx_local.engine import FRAMES, WAITING, Engine
from plugins.recognizers.onnx_local.stages import Found
from plugins.recognizers.onnx_local.vision import BATCH, Looked

MODEL = Model(
    id="m-1", dimension=1, metric="cosine", threshold=0.4, single_frame=0.5, margin=0.1, min_face=40, licence="x"
)


class Vision:
    """Finds as many faces as a picture is wide; an embedding is the picture's height. Waits for `gate` at each look."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.looking = threading.Event()
        self.looked_at: list[int] = []
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.broken = False

    def look(self, picture: Picture) -> Looked:
        self.threads.add(threading.current_thread().name)
        self.looking.set()
        assert self.gate.wait(30)
        if picture.height == 666:
            raise ValueError("this picture is garbage")
        self.looked_at.append(picture.height)
        found = (Found(Box(0, 0, 50, picture.height), 1),) * picture.width
        qualities = (Quality(size=50, sharpness=1),) * picture.width
        return Looked(found, np.zeros((picture.width, 2, 2, 3), np.uint8), qualities, 0)

    def embed(self, looked: Sequence[Looked], mirror: Sequence[bool]) -> list[Sight]:
        if self.broken:
            raise MemoryError
        self.batches.append([len(one.found) for one in looked])
        return [
            Sight(
                tuple(
                    Face(face.box, face.score, quality, np.array([face.box.h * (2 if twice else 1)], np.float32))
                    for face, quality in zip(one.found, one.qualities, strict=True)
                )
            )
            for one, twice in zip(looked, mirror, strict=True)
        ]


def picture(number: int, faces: int = 1) -> Picture:
    return Picture(np.zeros((1, 1, 3), np.uint8), faces, number)


def numbers(sights: Sequence[Sight]) -> list[float]:
    return [float(sight.faces[0].embedding[0]) for sight in sights]


@pytest.fixture
def vision() -> Vision:
    return Vision()


@pytest_asyncio.fixture
async def engine(vision: Vision) -> AsyncIterator[Engine]:
    engine = Engine(MODEL, vision, logging.getLogger("fras.test"))  # type: ignore[arg-type]
    yield engine
    vision.gate.set()
    await engine.close()


async def looking(vision: Vision) -> None:
    """Returns once the thread looks at a picture."""
    assert await asyncio.to_thread(vision.looking.wait, 10)


async def test_each_caller_gets_its_own_sights_in_order(engine: Engine, vision: Vision) -> None:
    callers = [
        engine.analyse([picture(100 * caller + number) for number in range(1, 6)], mirror=caller % 2 == 1)
        for caller in range(1, 9)
    ]
    for caller, sights in enumerate(await asyncio.gather(*callers), start=1):
        factor = 2 if caller % 2 else 1
        assert numbers(sights) == [factor * (100 * caller + number) for number in range(1, 6)]
    assert vision.threads == {"onnx_local"}
    assert engine.model is MODEL
    assert await engine.analyse([]) == []


async def test_frames_of_several_callers_share_a_batch(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    callers = [asyncio.ensure_future(engine.analyse([picture(number, faces=2)])) for number in range(1, 13)]
    await looking(vision)
    vision.gate.set()
    await asyncio.gather(*callers)
    assert vision.batches == [[2] * FRAMES, [2] * 4]


async def test_a_batch_ends_with_enough_faces(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    callers = [asyncio.ensure_future(engine.analyse([picture(number, faces=BATCH // 2)])) for number in range(1, 6)]
    await looking(vision)
    vision.gate.set()
    await asyncio.gather(*callers)
    assert [len(batch) for batch in vision.batches] == [2, 2, 1]


async def test_the_event_loop_goes_on(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    waiting = asyncio.ensure_future(engine.analyse([picture(1)]))
    await looking(vision)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    vision.gate.set()
    assert numbers(await waiting) == [1]


async def test_only_so_many_pictures_wait(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    taken = 0

    class Counting(list[Picture]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal taken
            for number in range(1, 4 * WAITING):
                taken += 1
                yield picture(number)

    waiting = asyncio.ensure_future(engine.analyse(Counting()))
    await looking(vision)
    for _ in range(100):
        await asyncio.sleep(0)
    assert taken == WAITING + 1
    vision.gate.set()
    assert numbers(await waiting) == list(range(1, 4 * WAITING))


async def test_a_cancelled_caller_harms_no_other(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    running = asyncio.ensure_future(engine.analyse([picture(1), picture(2)]))
    await looking(vision)
    queued = asyncio.ensure_future(engine.analyse([picture(3), picture(4)]))
    crowded = asyncio.ensure_future(engine.analyse([picture(number) for number in range(100, 100 + 2 * WAITING)]))
    other = asyncio.ensure_future(engine.analyse([picture(5)]))
    await asyncio.sleep(0.01)
    for caller in (running, queued, crowded):
        caller.cancel()
    await asyncio.sleep(0.01)
    vision.gate.set()
    assert numbers(await other) == [5]
    outcomes = await asyncio.gather(running, queued, crowded, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
    assert vision.looked_at == [1, 5]
    everything = await asyncio.gather(*(engine.analyse([picture(6)]) for _ in range(3 * WAITING)))
    assert len(everything) == 3 * WAITING  # every place in the queue was given back


async def test_a_bad_picture_fails_its_caller_only(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    good, bad = (asyncio.ensure_future(engine.analyse([picture(1), picture(number)])) for number in (2, 666))
    await looking(vision)
    vision.gate.set()
    assert numbers(await good) == [1, 2]
    with pytest.raises(ValueError, match="garbage"):
        await bad


async def test_a_failing_batch_is_told_to_all_of_it_and_the_next_works(engine: Engine, vision: Vision) -> None:
    vision.broken = True
    outcomes = await asyncio.gather(*(engine.analyse([picture(n)]) for n in (1, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [MemoryError] * 2
    vision.broken = False
    assert numbers(await engine.analyse([picture(3)])) == [3]


async def test_closing_answers_everybody(engine: Engine, vision: Vision) -> None:
    vision.gate.clear()
    callers = [asyncio.ensure_future(engine.analyse([picture(number)])) for number in range(1, 2 * WAITING)]
    await looking(vision)
    closing = asyncio.ensure_future(engine.close())
    await asyncio.sleep(0.01)
    vision.gate.set()
    await closing
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(outcomes[0], list)  # had begun
    assert {type(outcome) for outcome in outcomes[1:]} == {NotReady}
    with pytest.raises(NotReady, match="closed"):
        await engine.analyse([picture(1)])
    assert not [thread for thread in threading.enumerate() if thread.name == "onnx_local"]


async def test_a_stuck_network_holds_nothing_up(
    engine: Engine, vision: Vision, caplog: pytest.LogCaptureFixture
) -> None:
    vision.gate.clear()
    caller = asyncio.ensure_future(engine.analyse([picture(1)]))
    await looking(vision)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "onnx_local"]
    assert thread.daemon
    began = asyncio.get_running_loop().time()
    await engine.close(patience=0.2)
    assert asyncio.get_running_loop().time() - began < 2
    assert "has not ended" in caplog.text
    with pytest.raises(NotReady):
        await caller
    vision.gate.set()  # it comes back after all, and nobody minds
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
