"""A node whose hub does not answer, and a code before its camera: what it follows, whom it goes back to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from node.counters import OTHER_HUB
from node.link import Phase
from node.pauses import Pauses
from node.wire import (
    Accepted,
    Acknowledged,
    Close,
    Configure,
    FromNode,
    Hello,
    Pair,
    Ping,
    Refused,
    Rotate,
    TakeSnapshot,
)
from tests.node.conftest import Rig, rigged
from tests.support.small_hub import Key, SmallHub, small_hub


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that looks for a code at once, and gives either hub a moment."""
    monkeypatch.setattr("node.claims.LOOKS_AFTER", 0.0)
    monkeypatch.setattr("node.claims.TURN", 0.2)


@pytest.fixture
async def other(folder: Path) -> AsyncIterator[SmallHub]:
    (folder / "other").mkdir()
    async with small_hub(folder / "other") as other:
        yield other


async def lonely(rig: Rig, hub: SmallHub) -> bytes:
    """Its hub is away; answers a picture that waits for it."""
    await hub.kill()
    await rig.eventually(lambda: rig.link.phase in (Phase.NO_HUB, Phase.NO_NETWORK))
    return await rig.frame()


async def taken_in(rig: Rig, other: SmallHub) -> None:
    assert rig.link.shown(other.invitation())
    await rig.until(Phase.UNCONFIRMED)
    assert rig.state.coming is not None


class TestLooking:
    async def test_not_while_it_has_its_hub_nor_soon_after(
        self, paired: Rig, hub: SmallHub, other: SmallHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not paired.link.wants_code
        assert not paired.link.shown(other.invitation())
        monkeypatch.setattr("node.claims.LOOKS_AFTER", 300.0)
        await lonely(paired, hub)
        assert not paired.link.wants_code
        assert not paired.link.shown(other.invitation())
        monkeypatch.setattr("node.claims.LOOKS_AFTER", 0.0)
        assert paired.link.wants_code
        await hub.start()
        await paired.until(Phase.CONNECTED)
        assert not paired.link.wants_code
        assert other.connections == 0

    async def test_at_once_where_nobody_has_confirmed_it(self, rig: Rig, hub: SmallHub, other: SmallHub) -> None:
        """The wrong hub's code was shown: the right one's takes it over."""
        hub.confirmed = False
        assert rig.link.wants_code
        rig.link.shown(hub.invitation())
        await rig.until(Phase.UNCONFIRMED)
        assert rig.link.wants_code
        assert rig.link.shown(other.invitation())
        await rig.until(Phase.CONNECTED)
        frame = await rig.frame()
        await rig.drained()
        assert other.frames() == [frame]
        assert rig.state.coming is None

    async def test_for_another_code_while_one_gets_no_answer(self, rig: Rig, hub: SmallHub) -> None:
        wrong = replace(hub.invitation(), host="127.0.0.2")
        assert rig.link.shown(wrong)
        await rig.eventually(lambda: rig.link.phase in (Phase.NO_HUB, Phase.NO_NETWORK))
        assert not rig.link.shown(wrong), "it is being followed"
        assert rig.link.shown(hub.invitation())
        await rig.until(Phase.CONNECTED)
        assert not rig.link.wants_code

    async def test_a_code_that_stays_in_the_picture_disturbs_nothing(self, rig: Rig, hub: SmallHub) -> None:
        hub.faults.mute = True
        invitation = hub.invitation()
        followed = [rig.link.shown(invitation)]
        await rig.eventually(lambda: hub.connections == 1)
        followed += [rig.link.shown(invitation) for _ in range(5)]
        hub.faults.mute, hub.confirmed = False, False
        await rig.until(Phase.UNCONFIRMED)
        followed += [rig.link.shown(invitation) for _ in range(5)]
        await hub.close(Close.REVOKED)
        await rig.until(Phase.UNPAIRED)
        followed.append(rig.link.shown(invitation))
        assert followed == [True] + [False] * 11
        assert hub.connections == 1


class TestItsOwnHubComesBack:
    async def test_a_code_shown_meanwhile_neither_takes_the_node_nor_its_pictures(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        """Whatever the other hub says; and the node's own is told of it."""
        obeyed, hour = list(paired.board.obeyed), 3_600_000_000
        kept = [await lonely(paired, hub)]
        before, time = paired.state.paired, paired.link._hub_time.now()
        await taken_in(paired, other)
        for message in (
            Acknowledged(((1, 10_000),), 100),
            Configure("theirs", {"interval": 3600}),
            Ping(1, other.now() - hour),
            Rotate(),
            TakeSnapshot(1),
        ):
            await other.say(message)
        await other.until(lambda: 1 in other.snapshots)
        kept.append(await paired.frame())
        assert (await paired.log.report()).frames == 2
        assert paired.state.paired == before
        assert paired.board.obeyed == obeyed
        now = paired.link._hub_time.now()
        assert now is not None
        assert time is not None
        assert 0 <= now - time < hour / 2
        await hub.start()
        await paired.until(Phase.CONNECTED)
        await paired.drained()
        assert sorted(hub.frames()) == sorted(kept)
        assert other.deliveries == {}
        assert (paired.state.coming, paired.state.pairing) == (None, None)
        assert (await paired.log.report()).incidents == {OTHER_HUB: 1}
        connections = other.connections
        await asyncio.sleep(0.5)
        assert (other.connections, hub.connections) == (connections, 2), "it has its hub, and keeps to it"

    async def test_an_invitation_that_gets_no_answer_costs_nothing(self, paired: Rig, hub: SmallHub) -> None:
        frame = await lonely(paired, hub)
        assert paired.link.shown(replace(hub.invitation(), host="127.0.0.2"))
        await hub.start()
        await paired.drained()
        assert hub.frames() == [frame]
        assert paired.state.pairing is None
        assert len(hub.heard(Pair)) == 1

    async def test_an_invitation_that_is_too_old_costs_nothing(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        frame = await lonely(paired, hub)
        expired = other.invitation()
        other.tokens.clear()
        assert paired.link.shown(expired)
        await paired.eventually(lambda: paired.state.pairing is None)
        assert not paired.link.shown(expired), "it was answered"
        await hub.start()
        await paired.drained()
        assert hub.frames() == [frame]
        assert other.connections == 1

    async def test_also_while_somebody_shows_one_code_after_the_other(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        frame = await lonely(paired, hub)

        async def show() -> None:
            while True:
                paired.link.shown(other.invitation())
                await asyncio.sleep(0)

        showing = asyncio.create_task(show())
        try:
            await paired.eventually(lambda: paired.state.torn)
            await hub.start()
            await paired.drained()
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
        assert hub.frames() == [frame]
        assert other.frames() == []

    async def test_a_restored_hub_that_refuses_newer_credentials_does_not_lose_it_meanwhile(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        """Older ones are still being tried: it has not let the node go."""
        first = dict(hub.nodes)
        await hub.rotate()
        await hub.until(lambda: len(hub.nodes) == 2)
        await hub.kill()
        await hub.start()
        await hub.until(lambda: hub.heard(Hello))
        await paired.until(Phase.CONNECTED)
        frame = await lonely(paired, hub)
        hub.nodes = first
        paired.link._pauses = Pauses()  # half a minute until it offers the next
        await hub.start()
        await paired.until(Phase.REFUSED)
        assert paired.link.shown(other.invitation())
        await paired.until(Phase.UNCONFIRMED)
        await paired.drained()
        assert hub.frames() == [frame]
        assert other.frames() == []

    async def test_also_to_a_node_that_was_started_anew(self, hub: SmallHub, other: SmallHub, folder: Path) -> None:
        async with rigged(folder / "node") as rig:
            rig.link.invite(hub.invitation())
            await rig.until(Phase.CONNECTED)
            frame = await lonely(rig, hub)
            await taken_in(rig, other)
        async with rigged(folder / "node") as rig:
            await rig.until(Phase.UNCONFIRMED)
            await hub.start()
            await rig.drained()
        assert hub.frames() == [frame]
        assert other.frames() == []


class Impatient(SmallHub):
    """Answers an invitation with everything but who the node is, or before it has welcomed it."""

    accepts = False

    async def _answer(self, socket: web.WebSocketResponse, message: FromNode) -> bool:
        if isinstance(message, Pair) and self.accepts:
            await self._send(socket, Accepted("n-1", 1))
        if isinstance(message, Pair | Hello):
            for rude in (Acknowledged(((1, 10_000),), 100), Refused(1, "no", 1), Rotate(), Configure("v", {})):
                await self._send(socket, rude)
            if not self.accepts:
                await self.welcome(socket)
            await self._send(socket, Acknowledged(((1, 10_000),), 100))
        return True


@pytest.mark.parametrize("by_camera", [True, False])
@pytest.mark.parametrize("accepts", [True, False])
async def test_nothing_counts_that_a_hub_says_before_its_turn(
    paired: Rig, hub: SmallHub, folder: Path, by_camera: bool, accepts: bool
) -> None:
    """By `fras-node pair`, too: what waits is for the hub it was taken for."""
    obeyed, before = list(paired.board.obeyed), paired.state.paired
    frame = await lonely(paired, hub)
    (folder / "rude").mkdir()
    rude = Impatient(Key(folder / "rude"))
    rude.accepts = accepts
    await rude.start()
    try:
        (paired.link.shown if by_camera else paired.link.invite)(rude.invitation())
        await rude.until(lambda: rude.heard(Pair))
        await asyncio.sleep(0.1)
        assert (await paired.log.report()).frames == 1
        assert paired.board.obeyed == obeyed
        assert paired.state.paired == before or accepts
        if not by_camera:
            paired.link.invite(hub.invitation())
        await hub.start()
        await paired.drained()
    finally:
        await rude.kill()
    assert hub.frames() == [frame]
    assert rude.deliveries == {}


class TestItsOwnHubIsGone:
    async def test_for_good_and_the_other_has_it_and_no_older_picture(
        self, paired: Rig, hub: SmallHub, other: SmallHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await lonely(paired, hub)
        other.confirmed = False
        await taken_in(paired, other)
        monkeypatch.setattr("node.claims.HOLDS", 0.0)
        await asyncio.sleep(0.5)
        assert paired.state.coming is not None, "nobody has confirmed it there"
        await other.confirm()
        await paired.until(Phase.CONNECTED)
        assert paired.state.paired is not None
        assert paired.state.paired.hub.port == other.port
        mine = await paired.frame()
        await paired.drained()
        assert other.frames() == [mine]

    @pytest.mark.parametrize("close", [Close.REVOKED, Close.UNAUTHORISED])
    async def test_or_has_let_it_go(self, paired: Rig, hub: SmallHub, other: SmallHub, close: Close) -> None:
        """It comes back, and has removed the node, or does not know it: then the other need not wait."""
        await lonely(paired, hub)
        await taken_in(paired, other)
        if close is Close.UNAUTHORISED:
            hub.nodes.clear()
        else:
            hub.faults.mute = True
        await hub.start()
        await hub.until(lambda: len(hub.heard(Hello)) > 0 or hub.sockets)
        if close is Close.REVOKED:
            await hub.close(Close.REVOKED)
            hub.faults.mute = False
        await paired.until(Phase.CONNECTED)
        mine = await paired.frame()
        await paired.drained()
        assert other.frames() == [mine]
        assert hub.frames() == []

    async def test_or_has_other_keys_and_proves_that_it_is_the_same(
        self, paired: Rig, hub: SmallHub, folder: Path
    ) -> None:
        """Nobody has to wait for that, and what waits is delivered."""
        frame = await lonely(paired, hub)
        hub.key = Key(folder, "its data folder was lost")
        await hub.start()
        await paired.eventually(lambda: "another key" in paired.link.problem)
        assert paired.link.shown(hub.invitation())
        await paired.drained()
        assert hub.frames() == [frame]
        assert OTHER_HUB not in (await paired.log.report()).incidents

    async def test_or_has_refused_it_before_the_code_was_shown(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        hub.nodes.clear()
        for transport in list(hub.transports):
            transport.abort()
        await paired.until(Phase.REFUSED)
        assert paired.link.shown(other.invitation())
        await paired.until(Phase.CONNECTED)
        assert paired.state.coming is None
        assert len(other.nodes) == 1

    async def test_another_hub_that_does_not_want_it_after_all(
        self, paired: Rig, hub: SmallHub, other: SmallHub
    ) -> None:
        frame = await lonely(paired, hub)
        await taken_in(paired, other)
        await other.close(Close.REVOKED)
        await paired.eventually(lambda: paired.state.coming is None)
        assert paired.state.paired is not None
        await hub.start()
        await paired.drained()
        assert hub.frames() == [frame]
