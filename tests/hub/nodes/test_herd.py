"""Two hundred nodes come back at once to a hub's process that was killed, or told to stop, with frames under way."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.app import Paths, open_school
from hub.nodes.identity import open_identity
from hub.nodes.registry import Registry
from node.wire import Close, Pair
from tests.support.facts import asked
from tests.support.fras import School
from tests.support.herd import Sender, enlisted
from tests.support.node_client import Board
from tests.support.node_hub import YAML, school_in
from tests.support.running import RunningHub, free_port, running

NODES = 200
FEWEST = 2
"""Frames that each may have under way."""
BROKEN = 1006
HURRY = 10.0
PATIENCE = 180.0

pytestmark = pytest.mark.slow


async def test_all_come_back_and_every_frame_is_with_the_hub_once(tmp_path: Path) -> None:
    """After kill -9 in the middle of its work. And where it stops in good order they are told to come again."""
    port = free_port()
    with school_in(tmp_path, YAML.replace("port: 0, name", f"port: {port}, name")) as school:
        senders = [Sender(board, HURRY) for board in await herd_of(school, port)]
        async with sending(senders):
            with running(school) as hub:
                await until(lambda: all(sender.connected for sender in senders))
                keep(senders)
                await until(lambda: sum(len(sender.acknowledged) for sender in senders) >= NODES)
                await ends(hub, signal.SIGKILL, senders)
            every_acknowledged_frame_is_known_once(school, senders)
            with running(school) as hub:
                await until(lambda: not any(sender.waiting for sender in senders))
                await until(lambda: not frames(school, "outcome = 'pending'"))
                every_acknowledged_frame_is_known_once(school, senders)
                assert frames(school) == 2 * FEWEST * NODES
                await ends(hub, signal.SIGTERM, senders)
            told = sum(sender.ends[-1] == Close.STOPPING for sender in senders)
            assert told > NODES / 2, "where time is short the hub leaves some without a word"
            assert {code for sender in senders for code in sender.ends} <= {None, BROKEN, Close.STOPPING}
            every_acknowledged_frame_is_known_once(school, senders)


async def ends(hub: RunningHub, number: signal.Signals, senders: list[Sender]) -> None:
    """By this signal, with frames of every node under way, of which it has not looked at the last."""
    await until(lambda: all(sender.connected for sender in senders))
    hub.process.send_signal(signal.SIGSTOP)
    keep(senders)
    await until(lambda: all(len(sender.under_way) >= FEWEST for sender in senders))
    hub.process.send_signal(number)
    hub.process.send_signal(signal.SIGCONT)
    await asyncio.to_thread(hub.process.wait, PATIENCE)
    await until(lambda: not any(sender.connected for sender in senders))


def every_acknowledged_frame_is_known_once(school: School, senders: list[Sender]) -> None:
    """As it was sent. The others wait at their node."""
    known: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for node, *frame in asked(school.folder, "SELECT camera, epoch, seq, bytes FROM frames ORDER BY epoch, seq"):
        known[node].append(tuple(frame))
    for sender in senders:
        sent = {number: (sender.board.epoch, number, len(sender.content(number))) for number in sender.kept}
        assert sorted([*sender.acknowledged, *sender.waiting]) == [*sent]
        found = known.pop(sender.board.node, [])
        assert len(found) == len(set(found))
        assert {sent[number] for number in sender.acknowledged} <= set(found) <= set(sent.values())
    assert not known


async def herd_of(school: School, port: int) -> list[Board]:
    """Of a hub that does not run yet."""
    async with open_school(Paths.of(school.folder / "hub.yaml", None)) as opened:
        registry, identity = Registry(opened.database, opened.clock), open_identity(opened.paths.data)
        invite = await registry.invite("first", "101")
        first = Board((identity.pin, identity.backup), port)
        paired = await registry.pair(Pair(invite.token, first.credential, "test 1"))
        await registry.confirm(paired.id)
        first.node, first.epoch = paired.id, paired.epoch
        return await enlisted(opened.database, first, NODES)


@asynccontextmanager
async def sending(senders: list[Sender]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(sender.run()) for sender in senders]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        faults = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(fault, asyncio.CancelledError) for fault in faults), faults


def keep(senders: list[Sender]) -> None:
    for sender in senders:
        sender.keep(FEWEST)


def frames(school: School, which: str = "true") -> int:
    """How many are in the ledger, of which this is so."""
    ((found,),) = asked(school.folder, f"SELECT count(*) FROM frames WHERE {which}")
    return int(found)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.05)
