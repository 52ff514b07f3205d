"""A node that sends more than it may, over a real socket, and another beside it. Time stands still: it is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hub.nodes.log import ENTRIES
from hub.nodes.nodes import SLOWED
from hub.nodes.registry import Refusal
from node.wire import Acknowledged, Close, Picture, Watched
from tests.support.node_client import JPEG, WITHIN, Talk, connected
from tests.support.node_hub import NodeHub
from tests.support.simulated_time import HubClock, SimulatedTime

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE, BURST = map(int, ENTRIES)
SECOND = timedelta(seconds=1)


@pytest.fixture
def time(later_hub: NodeHub) -> SimulatedTime:
    clock = later_hub.opened.clock
    assert isinstance(clock, HubClock)
    return clock.time


class Sender:
    """A node that sends as fast as its credits allow; counts what is acknowledged."""

    def __init__(self, talk: Talk, credits_: int) -> None:
        self.talk = talk
        self.node = talk.board.node
        self.credits = credits_
        self.acknowledged = 0

    async def send(self, *entries: Picture | Watched) -> None:
        for entry in entries:
            while self.credits == 0:
                await self._answer()
            self.credits -= 1
            await self.talk.send(entry)

    async def settled(self, count: int) -> None:
        while self.acknowledged < count:
            await self._answer()

    async def _answer(self) -> None:
        answer = await self.talk.expect(Acknowledged)
        self.acknowledged += sum(last - first + 1 for first, last in answer.ranges)
        self.credits += answer.credits


@asynccontextmanager
async def sending(hub: NodeHub, camera: str) -> AsyncIterator[Sender]:
    """A node whose camera is known to read."""
    async with connected(await hub.board(camera)) as talk:
        sender = Sender(talk, (await talk.hello()).credits)
        await sender.send(talk.board.frame())
        await sender.settled(1)
        sender.acknowledged = 0
        yield sender


@pytest.fixture
def held(later_hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many entries of each node were made to wait."""
    found: Counter[str] = Counter()
    slowed = later_hub.nodes.slowed

    def noted(node: str, entries: int) -> None:
        slowed(node, entries)
        found[node] += entries

    monkeypatch.setattr(later_hub.nodes, "slowed", noted)
    return found


async def more(held: Counter[str], node: str) -> int:
    """The number once it has grown."""
    before = held[node]
    async with asyncio.timeout(WITHIN):
        while held[node] == before:
            await asyncio.sleep(0.002)
    return held[node]


async def refusals(hub: NodeHub, node: str) -> Mapping[str, int]:
    await hub.nodes.note()
    return (await hub.registry.one(node)).refusals


async def passes(time: SimulatedTime, held: Counter[str], node: str, flooding: asyncio.Task[None]) -> None:
    """As much time as the flood takes, each time that it is made to wait."""
    seen = 0
    async with asyncio.timeout(WITHIN):
        while not flooding.done():
            if held[node] > seen:
                seen = held[node]
                time.goes_on(8 * SECOND)
            await asyncio.sleep(0.002)


async def delivers(node: Sender, count: int) -> None:
    """So many pictures, and all are acknowledged."""
    before = node.acknowledged
    await node.send(*(node.talk.board.frame(JPEG + bytes([number])) for number in range(count)))
    await node.settled(before + count)


async def test_a_node_that_floods_is_slowed_and_no_other(
    later_hub: NodeHub, time: SimulatedTime, held: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with sending(later_hub, "calm") as calm, sending(later_hub, "flood") as flood:
        most = flood.credits
        with time.standing_still():
            async with asyncio.TaskGroup() as tasks:
                entries = [flood.talk.board.watched() for _ in range(BURST + 2 * RATE)]
                flooding = tasks.create_task(flood.send(*entries))
                assert await more(held, flood.node) <= most
                assert flood.acknowledged <= BURST
                await delivers(calm, 20)
                assert flood.acknowledged <= BURST, "it waits, and its neighbour does not"
                time.goes_on(SECOND)
                await more(held, flood.node)
                assert flood.acknowledged <= BURST + RATE
                await passes(time, held, flood.node, flooding)
        assert await refusals(later_hub, calm.node) == {}
        assert set(await refusals(later_hub, flood.node)) == {SLOWED}
    assert caplog.text.count("sends more than a node may: it is slowed down") == 1


async def test_a_node_with_pictures_too_many_bytes_is_slowed(
    later_hub: NodeHub, time: SimulatedTime, held: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.nodes.log.BYTES", (100_000.0, 400_000.0))
    picture = JPEG.ljust(100_000, b".")
    async with sending(later_hub, "slim") as slim, sending(later_hub, "fat") as fat:
        with time.standing_still():
            async with asyncio.TaskGroup() as tasks:
                flooding = tasks.create_task(fat.send(*(fat.talk.board.frame(picture) for _ in range(20))))
                await more(held, fat.node)
                assert fat.acknowledged <= 4
                await delivers(slim, 20)
                assert fat.acknowledged <= 4
                await passes(time, held, fat.node, flooding)
        assert await refusals(later_hub, slim.node) == {}


async def test_a_node_that_takes_no_heed_is_refused_and_its_neighbour_goes_on(
    later_hub: NodeHub, time: SimulatedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending(later_hub, "heeds") as heeds:
        monkeypatch.setattr("hub.nodes.log.ENTRIES", (1.0, 4.0))
        async with sending(later_hub, "heedless") as heedless:
            before = later_hub.nodes.refused[Refusal.TOO_FAST]
            with time.standing_still():
                most = heedless.credits + 4
                await heedless.talk.send(*(heedless.talk.board.frame() for _ in range(most + 1)))
                assert await heedless.talk.closed() == Close.TOO_FAST
            await later_hub.gone(heedless.talk.board)
            assert later_hub.nodes.refused[Refusal.TOO_FAST] == before + 1
            assert (await refusals(later_hub, heedless.node))[Refusal.TOO_FAST] == 1
            assert await refusals(later_hub, heeds.node) == {}
            await delivers(heeds, 20)
            acknowledged = {number for message in heedless.talk.heard for number in numbers(message)}
            kept = await later_hub.frames("heedless")
            assert len(kept) == len(set(kept))
            assert acknowledged <= {number for _, number in kept}


def numbers(message: object) -> set[int]:
    ranges = message.ranges if isinstance(message, Acknowledged) else ()
    return {number for first, last in ranges for number in range(first, last + 1)}
