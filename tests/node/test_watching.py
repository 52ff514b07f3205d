"""The loop of the camera, in simulated time, with a camera that does as it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from node.camera import CameraError, Luma
from node.clock import HubTime
from node.entries import Outgoing
from node.link import Link, Phase
from node.log import Log, open_log
from node.orders import Orders
from node.parts import Verdict
from node.state import State
from node.watching import Watching
from node.wire import Moment
from tests.node.conftest import NoPauses, StubBoard, nobody
from tests.support.small_hub import SmallHub

START = 1_700_000_000_000_000


@dataclass
class QuickClock:
    """An hour takes as long as what happens in it. `wall` may be set; the monotonic clock may not."""

    wall: int = START
    mono: int = 1
    synchronised: bool = True

    def now(self) -> Moment:
        return Moment(self.wall, self.mono, 5, self.synchronised)

    async def rest(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        await asyncio.sleep(0)
        if wake is None or not wake.is_set():
            self.wall += int(seconds * 1e6)
            self.mono += int(seconds * 1e6)


@dataclass
class Sight:
    at: Moment
    number: int
    luma: Luma

    async def jpeg(self, quality: int) -> bytes:
        return b"%d at quality %d" % (self.number, quality)


@dataclass
class ToldCamera:
    clock: QuickClock
    opened: list[Orders] = field(default_factory=list)
    closed: int = 0
    looks: int = 0
    broken: bool = False

    @asynccontextmanager
    async def open(self, orders: Orders) -> AsyncIterator[ToldCamera]:
        self.opened.append(orders)
        try:
            yield self
        finally:
            self.closed += 1

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Sight]:
        if self.broken:
            raise CameraError("The cable is loose.")
        self.looks += 1
        yield Sight(self.clock.now(), self.looks, np.zeros((4, 4), np.uint8))


@dataclass
class ToldGate:
    verdict: Callable[[int], Verdict] = lambda second: Verdict(keep=second % 60 == 0)

    def judge(self, luma: Luma, at: Moment) -> Verdict:
        return self.verdict(at.mono // 1_000_000)


@dataclass
class Codes:
    wanted: bool = False

    def read(self, luma: Luma) -> list[str]:
        return ["a code"]

    def close(self) -> None:
        return


@dataclass
class Scene:
    clock: QuickClock
    camera: ToldCamera
    gate: ToldGate
    log: Log
    watching: Watching
    reader: Codes
    codes: list[str]

    async def during(self, seconds: float) -> None:
        """Lets simulated time pass."""
        end = self.clock.mono + int(seconds * 1e6)
        async with asyncio.timeout(60):
            while self.clock.mono < end:
                await asyncio.sleep(0)

    async def told(self) -> list[Outgoing]:
        """What would be sent."""
        await self.log.rewind()
        count = (await self.log.report()).entries
        return [await self.log.take(10**9) for _ in range(count)]


@pytest.fixture
async def scene(folder: Path) -> AsyncIterator[Scene]:
    clock = QuickClock()
    camera, gate, codes = ToldCamera(clock), ToldGate(), list[str]()
    hub_time = HubTime(clock)
    async with open_log(folder / "spool", 100_000_000) as log:
        reader = Codes()
        parts = (camera.open, lambda orders: gate, reader, lambda: reader.wanted, codes.append, hub_time.now)
        watching = Watching(log, clock, *parts)
        running = asyncio.create_task(watching.run())
        yield Scene(clock, camera, gate, log, watching, reader, codes)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert camera.closed == len(camera.opened)


async def test_without_orders_the_camera_is_not_even_opened(scene: Scene) -> None:
    await scene.during(100)
    assert scene.camera.opened == []


async def test_looks_keeps_and_says_that_it_watched(scene: Scene) -> None:
    scene.watching.orders = Orders(interval=1, watch=15, quality=70)
    await scene.during(120)
    log = await scene.told()
    frames = [entry for entry in log if entry.kind.name == "FRAME"]
    marks = [entry for entry in log if entry.kind.name == "WATCHED"]
    assert len(frames) in (2, 3)
    assert all(b"quality 70" in entry.jpeg for entry in frames)
    assert {b.at.mono - a.at.mono for a, b in itertools.pairwise(marks)} == {15_000_000}
    assert [entry.at.mono for entry in log] == sorted(entry.at.mono for entry in log)


async def test_outside_of_its_hours_nothing_is_captured(scene: Scene) -> None:
    hour = 3_600_000_000
    scene.watching.orders = Orders(active=((START + hour, START + hour + 60_000_000),))
    await scene.during(3500)
    assert scene.camera.looks == 0
    await scene.during(200)
    assert 55 <= scene.camera.looks <= 62
    assert all(START + hour <= entry.at.wall < START + hour + 60_000_000 for entry in await scene.told())


async def test_the_hubs_time_counts_where_the_wall_clock_is_wrong(scene: Scene, folder: Path) -> None:
    clock = QuickClock(wall=0, synchronised=False)
    time = HubTime(clock)
    assert time.now() is None
    assert time.now(not_before=START) is None
    time.told(START)
    await clock.rest(10)
    clock.wall = -1
    assert time.now() == START + 10_000_000
    clock.wall, other = START + 5, HubTime(clock)
    assert other.now(not_before=START) == START + 5, "set from the network in an earlier life"
    assert Orders(active=((0, 1),)).at_work(None), "nobody knows the time: better than missing"


async def test_what_the_gate_does_not_see_is_not_watched(scene: Scene) -> None:
    scene.gate.verdict = lambda second: Verdict(keep=False, sees=False)
    scene.watching.orders = Orders()
    await scene.during(300)
    assert await scene.told() == []
    scene.gate.verdict = lambda second: Verdict(keep=False, lens=0.5)
    await scene.during(100)
    assert {entry.lens for entry in await scene.told()} == {0.5}


async def test_in_the_dark_it_says_that_it_sees_nothing_and_why(scene: Scene) -> None:
    """`watched` with a lens of 0 covers nothing, and tells the hub that the node is at work."""
    scene.gate.verdict = lambda second: Verdict(keep=False, sees=False, lens=0.0, dark=True)
    scene.watching.orders = Orders()
    await scene.during(300)
    assert {(entry.kind.name, entry.lens) for entry in await scene.told()} == {("WATCHED", 0.0)}
    assert "too dark" in scene.watching.blind
    scene.gate.verdict = lambda second: Verdict(keep=False, lens=0.0)
    await scene.during(10)
    assert "lens covered" in scene.watching.blind
    scene.gate.verdict = lambda second: Verdict(keep=False, lens=0.5)
    await scene.during(10)
    assert scene.watching.blind == ""


async def test_codes_are_read_only_where_they_are_wanted(scene: Scene) -> None:
    scene.reader.wanted = True
    await scene.during(5)
    assert scene.codes
    assert await scene.told() == [], "nothing is kept of it"
    scene.reader.wanted = False
    await scene.during(2)
    count = len(scene.codes)
    await scene.during(50)
    assert len(scene.codes) == count


@pytest.mark.parametrize("interval", [0.2, 60.0])
async def test_codes_have_a_pace_of_their_own(scene: Scene, interval: float) -> None:
    """A look for a code once a second beside pictures, which are wanted as often as ever."""
    scene.watching.orders = Orders(interval=interval)
    scene.gate.verdict = lambda second: Verdict(keep=True)
    await scene.during(120)
    assert scene.codes == []
    alone = scene.watching.kept
    scene.reader.wanted = True
    await scene.during(31)  # it is noticed
    scene.codes.clear()
    kept = scene.watching.kept
    await scene.during(120)
    assert 115 <= len(scene.codes) <= 121
    assert scene.watching.kept - kept == pytest.approx(alone, rel=0.05, abs=1)


async def test_outside_of_its_hours_it_sees_codes_and_nothing_else(scene: Scene) -> None:
    scene.watching.orders = Orders(active=())
    scene.reader.wanted = True
    await scene.during(60)
    assert 55 <= len(scene.codes) <= 61
    assert await scene.told() == []
    assert scene.watching.kept == 0


async def test_a_snapshot_needs_no_orders(scene: Scene) -> None:
    _, jpeg = await scene.watching.snapshot()
    assert jpeg.startswith(b"1 at")
    await scene.during(5)
    assert scene.camera.closed == len(scene.camera.opened) == 1
    assert await scene.told() == []


async def test_a_camera_that_fails_is_opened_again_and_says_what_is_wrong(scene: Scene) -> None:
    scene.camera.broken = True
    scene.watching.orders = Orders()
    await scene.during(300)
    assert scene.watching.problem == "The cable is loose."
    assert 5 <= len(scene.camera.opened) <= 15, "not at once, and not for ever"
    assert await scene.told() == [], "it did not watch"
    scene.camera.broken = False
    await scene.during(130)
    assert scene.watching.problem == ""
    assert await scene.told()


async def test_new_orders_open_the_camera_anew(scene: Scene) -> None:
    scene.watching.orders = Orders(resolution=(640, 480))
    await scene.during(5)
    scene.watching.orders = Orders(resolution=(320, 240))
    await scene.during(5)
    assert [orders.resolution for orders in scene.camera.opened] == [(640, 480), (320, 240)]


async def test_an_hour_without_the_hub_and_a_clock_set_back_a_day(scene: Scene, hub: SmallHub, folder: Path) -> None:
    """All of it reaches the hub afterwards, in order, once, with the board's own time."""
    state = State(folder / "identity.json")
    link = Link(state, scene.log, StubBoard(), scene.clock, HubTime(scene.clock), discover=nobody, pauses=NoPauses())

    async def real_pauses(seconds: float, wake: asyncio.Event | None = None) -> None:
        await asyncio.sleep(0.05)

    link._clock = type("Real", (), {"now": scene.clock.now, "rest": staticmethod(real_pauses)})()
    running = asyncio.create_task(link.run())
    link.invite(hub.invitation())
    await hub.until(lambda: link.phase is Phase.CONNECTED)
    await hub.kill()
    scene.gate.verdict = lambda second: Verdict(keep=second % 10 == 0, moved=second % 20 == 0)
    scene.watching.orders = Orders()
    await scene.during(1800)
    scene.clock.wall -= 24 * 3_600_000_000
    await scene.during(1800)
    scene.watching.orders = None
    await scene.during(2)
    kept = [entry.jpeg for entry in await scene.told() if entry.kind.name == "FRAME"]
    assert len(kept) in (360, 361)
    assert link.phase in (Phase.NO_HUB, Phase.NO_NETWORK)
    await scene.log.rewind()
    await hub.start()
    async with asyncio.timeout(30):
        while (await scene.log.report()).entries:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    numbers = sorted(number for _, number in hub.ledger)
    assert numbers == list(range(1, len(numbers) + 1))
    assert [hub.ledger[1, number] for number in numbers if isinstance(hub.ledger[1, number], bytes)] == kept
    assert set(hub.deliveries.values()) == {1}
    monos = [mark.at.mono for mark in hub.watched]
    assert monos == sorted(monos)
    assert max(b - a for a, b in itertools.pairwise(monos)) == 15_000_000, "no gap covers nothing"
