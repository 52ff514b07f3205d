"""The connection on real sockets with real TLS: whatever breaks, each frame is with the hub once or still here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.clock import HubTime
from node.counters import OTHER_KEY
from node.entries import LARGE
from node.link import Link, Phase
from node.pauses import LONGEST, SHORTEST, Pauses
from node.wire import (
    Close,
    Configured,
    Credential,
    Health,
    Hello,
    Identify,
    Moment,
    Pair,
    TakeSnapshot,
    Update,
    decode_from_hub,
)
from tests.node.conftest import Rig, rigged
from tests.support.small_hub import Key, SmallHub, small_hub


def exactly_once(hub: SmallHub, frames: list[bytes]) -> None:
    """Every frame is in the ledger, no other, none twice, and the log has no holes."""
    assert sorted(hub.frames()) == sorted(frames)
    for epoch in {epoch for epoch, _ in hub.ledger}:
        numbers = sorted(number for at, number in hub.ledger if at == epoch)
        assert numbers == list(range(1, len(numbers) + 1))


async def unanswered(rig: Rig, hub: SmallHub) -> bytes:
    """A frame that the hub has, and the node does not know it to have."""
    hub.faults.forget_acks = True
    frame = await rig.frame()
    await hub.until(hub.frames)
    return frame


async def delivers_anew(rig: Rig, hub: SmallHub) -> None:
    """The node is paired with the hub, which has lost its ledger, until nothing waits any more."""
    hub.ledger.clear()
    hub.faults.forget_acks = False
    rig.link.invite(hub.invitation())
    await rig.drained()


class TestPairing:
    async def test_an_invitation_becomes_an_identity_and_frames_arrive(self, rig: Rig, hub: SmallHub) -> None:
        kept = [await rig.frame() for _ in range(3)]
        rig.link.invite(hub.invitation())
        await rig.drained()
        exactly_once(hub, kept)
        (pair,) = hub.heard(Pair)
        assert rig.state.paired is not None
        assert rig.state.paired.credential == pair.credential
        assert rig.state.pairing is None
        assert [path.stat().st_mode & 0o777 for path in [rig.state._file]] == [0o600]

    async def test_until_it_is_confirmed_it_sends_nothing_but_what_it_may(self, rig: Rig, hub: SmallHub) -> None:
        hub.confirmed = False
        frame = await rig.frame()
        rig.link.invite(hub.invitation())
        await rig.until(Phase.UNCONFIRMED)
        await hub.say(TakeSnapshot(7))
        await hub.until(lambda: hub.snapshots == {7: b"snapshot"} and hub.heard(Health))
        assert hub.deliveries == {}
        assert rig.state.paired is not None
        assert not rig.state.paired.confirmed
        await hub.confirm()
        await rig.drained()
        exactly_once(hub, [frame])

    async def test_the_same_credential_is_used_where_the_answer_was_lost(self, rig: Rig, hub: SmallHub) -> None:
        hub.faults.mute = True
        invitation = hub.invitation()
        rig.link.invite(invitation)
        await rig.eventually(lambda: hub.connections == 1)
        rig.link.invite(invitation)
        hub.faults.mute = False
        await rig.until(Phase.CONNECTED)
        assert len({pair.credential for pair in hub.heard(Pair)}) == 1

    async def test_an_old_invitation_is_given_up_and_the_old_hub_stays(self, paired: Rig, hub: SmallHub) -> None:
        before = paired.state.paired
        invitation = hub.invitation()
        hub.tokens.clear()
        paired.link.invite(invitation)
        await paired.eventually(lambda: hub.connections >= 3)
        await paired.until(Phase.CONNECTED)
        assert paired.state.paired == before
        assert paired.state.pairing is None

    async def test_another_hub_gets_no_picture_taken_for_the_older_one(
        self, paired: Rig, hub: SmallHub, folder: Path
    ) -> None:
        await unanswered(paired, hub)
        async with small_hub(folder / "other") as other:
            paired.link.invite(other.invitation())
            await paired.drained()
            mine = await paired.frame()
            await paired.drained()
            exactly_once(other, [mine])

    async def test_another_hub_gets_none_of_them_by_saying_that_it_is_the_older_one(
        self, paired: Rig, hub: SmallHub, folder: Path
    ) -> None:
        """Neither an invitation that names its key, nor a proof by another credential is enough."""
        await unanswered(paired, hub)
        async with small_hub(folder / "other") as other:
            other.nodes = {bytes(32): name for name in hub.nodes.values()}
            paired.link.invite(replace(other.invitation(), backup=hub.key.pin))
            await paired.drained()
            await paired.until(Phase.CONNECTED)
            (pair,) = other.heard(Pair)
            assert pair.was in other.nodes.values()
            assert other.frames() == []

    async def test_nor_by_a_proof_that_the_older_one_gave_to_somebody_in_between(
        self, paired: Rig, hub: SmallHub, folder: Path
    ) -> None:
        """It has an invitation of the older hub, shows it as its own, and passes on what is said."""
        await unanswered(paired, hub)
        async with small_hub(folder / "between") as between:
            between.nodes = dict(hub.nodes)  # it is told every proof by who knows the credentials,
            between.proving = hub.key.pin  # for the key that the older hub has
            paired.link.invite(between.invitation())
            await paired.drained()
            await paired.until(Phase.CONNECTED)
            assert between.frames() == []

    async def test_a_hub_that_does_not_confirm_it_costs_no_picture(
        self, paired: Rig, hub: SmallHub, folder: Path
    ) -> None:
        frame = await unanswered(paired, hub)
        async with small_hub(folder / "other", confirmed=False) as other:
            paired.link.invite(other.invitation())
            await paired.until(Phase.UNCONFIRMED)
            await delivers_anew(paired, hub)
        exactly_once(hub, [frame])

    @pytest.mark.parametrize("removed", [False, True])
    async def test_the_same_hub_under_another_key_gets_what_waits(
        self, paired: Rig, hub: SmallHub, folder: Path, removed: bool
    ) -> None:
        frame = await unanswered(paired, hub)
        if removed:
            await hub.close(Close.REVOKED)
            await paired.until(Phase.UNPAIRED)
        await hub.kill()
        hub.key = Key(folder, "its data folder was lost")
        await hub.start()
        await delivers_anew(paired, hub)
        exactly_once(hub, [frame])

    async def test_pairing_again_with_the_same_hub_keeps_what_waits(self, paired: Rig, hub: SmallHub) -> None:
        frame = await unanswered(paired, hub)
        await delivers_anew(paired, hub)
        exactly_once(hub, [frame])
        assert hub.epoch == 2


class TestBreaking:
    @pytest.mark.parametrize("after", [0, 1, 3])
    async def test_a_link_that_breaks_all_the_time(self, paired: Rig, hub: SmallHub, after: int) -> None:
        hub.faults.cut_after = after
        kept = [await paired.frame() for _ in range(20)]
        if not after:
            await paired.eventually(lambda: hub.connections > 5)
            assert hub.frames() == []
            hub.faults.cut_after = None
        await paired.drained()
        exactly_once(hub, kept)

    async def test_acknowledgements_that_get_lost(self, paired: Rig, hub: SmallHub) -> None:
        hub.faults.forget_acks = hub.faults.modest = True
        kept = [await paired.frame() for _ in range(20)]
        for _ in range(3):
            await hub.until(lambda: sum(hub.deliveries.values()) >= hub.credits)
            connections = hub.connections
            hub.cut()
            await paired.eventually(lambda before=connections: hub.connections > before)
        assert (await paired.log.report()).frames >= 20 - len(hub.frames())
        hub.faults.forget_acks = False
        hub.cut()
        await paired.drained()
        exactly_once(hub, kept)
        assert max(hub.deliveries.values()) > 1, "nothing was sent twice: the test tests nothing"

    async def test_acknowledgements_twice_and_backwards(self, paired: Rig, hub: SmallHub) -> None:
        hub.faults.repeat_acks = hub.faults.acks_backwards = True
        kept = [await paired.frame() for _ in range(3 * hub.credits)]
        await paired.drained()
        exactly_once(hub, kept)
        assert set(hub.deliveries.values()) == {1}

    async def test_a_paired_node_that_starts_wants_no_code(self, paired: Rig) -> None:
        started = Link(paired.state, paired.log, paired.board, paired.clock, HubTime(paired.clock))
        assert started.phase is Phase.NO_HUB

    async def test_a_hub_that_is_killed_and_comes_back(self, paired: Rig, hub: SmallHub) -> None:
        kept = []
        for _ in range(4):
            kept += [await paired.frame() for _ in range(5)]
            await asyncio.sleep(0.01)
            await hub.kill()
            kept.append(await paired.frame())
            await paired.eventually(lambda: paired.link.phase in (Phase.NO_HUB, Phase.NO_NETWORK))
            await hub.start()
        await paired.drained()
        exactly_once(hub, kept)

    async def test_a_connection_that_is_half_open(self, hub: SmallHub, folder: Path) -> None:
        hub.ping_every = 0.1
        async with rigged(folder / "node", silence=0.5) as rig:
            rig.link.invite(hub.invitation())
            await rig.until(Phase.CONNECTED)
            await asyncio.sleep(1)
            assert hub.connections == 1, "a hub that pings is not silent"
            hub.faults.mute = True
            frame = await rig.frame()
            await rig.until(Phase.NO_HUB)
            assert "silent" in rig.link.problem
            assert (await rig.log.report()).frames == 1
            hub.faults.mute = False
            await rig.drained()
            exactly_once(hub, [frame])

    async def test_never_more_than_the_credits(self, paired: Rig, hub: SmallHub) -> None:
        hub.faults.forget_acks = True
        for _ in range(hub.credits + 5):
            await paired.frame()
        await hub.until(lambda: sum(hub.deliveries.values()) >= hub.credits)
        await asyncio.sleep(0.2)
        assert sum(hub.deliveries.values()) == hub.credits

    async def test_a_node_that_ends_keeps_what_was_not_acknowledged(self, hub: SmallHub, folder: Path) -> None:
        hub.faults.forget_acks = True
        async with rigged(folder / "node") as rig:
            rig.link.invite(hub.invitation())
            kept = [await rig.frame() for _ in range(5)]
            await hub.until(hub.frames)
        hub.faults.forget_acks = False
        async with rigged(folder / "node") as rig:
            await rig.drained()
            exactly_once(hub, kept)


class TestRules:
    async def test_what_is_sent_at_once_is_live_and_what_waited_is_not(self, paired: Rig, hub: SmallHub) -> None:
        await paired.frame(age=0)
        await paired.frame(age=6)
        await paired.drained()
        assert list(hub.lives.values()) == [True, False]

    async def test_what_is_refused_goes_and_is_counted(self, paired: Rig, hub: SmallHub) -> None:
        hub.faults.refuse = lambda number: "no JPEG" if number == 2 else None
        kept = [await paired.frame() for _ in range(2 * hub.credits)]
        await paired.drained()
        assert hub.frames() == [kept[0], *kept[2:]]
        assert (await paired.log.report()).dropped == {"refused by the hub: no JPEG": 1}

    async def test_a_picture_too_large_is_said_to_be_dropped(self, paired: Rig, hub: SmallHub) -> None:
        hub.largest = 10_000
        hub.cut()
        await hub.until(lambda: hub.connections == 2 and len(hub.sockets) == 1)
        await paired.until(Phase.CONNECTED)
        await paired.frame()
        await hub.until(lambda: hub.drops)
        assert (hub.drops[0].count, hub.drops[0].reason) == (1, LARGE)

    async def test_orders_are_answered(self, paired: Rig, hub: SmallHub) -> None:
        await hub.configure({"interval": 2})
        await hub.until(lambda: len(hub.heard(Configured)) == 2)
        assert paired.board.obeyed[-1] == {"interval": 2}
        paired.board.refuse = "interval: too short"
        await hub.configure({"interval": 0})
        await hub.until(lambda: len(hub.heard(Configured)) == 3)
        assert hub.heard(Configured)[-1].problem == "interval: too short"

    async def test_identify_and_update_reach_the_board(self, paired: Rig, hub: SmallHub) -> None:
        await hub.say(Identify(5))
        await hub.say(Update("0.2", "apt upgrade"))
        await paired.eventually(lambda: paired.board.identified == [5] and paired.board.updates)

    async def test_a_message_of_a_newer_hub_is_ignored(self, paired: Rig, hub: SmallHub) -> None:
        assert decode_from_hub('{"type":"sing"}') is None
        for socket in hub.sockets:
            await socket.send_str('{"type":"sing"}')
            await socket.send_bytes(b"?")
        await paired.frame()
        await paired.drained()
        assert hub.connections == 1

    async def test_a_message_that_is_none_ends_the_connection(self, paired: Rig, hub: SmallHub) -> None:
        for socket in list(hub.sockets):
            await socket.send_str("[]")
        await hub.until(lambda: hub.connections == 2)
        await paired.until(Phase.CONNECTED)


class TestEpochs:
    async def test_a_card_that_was_restored_moves_what_it_has(self, hub: SmallHub, folder: Path) -> None:
        async with rigged(folder / "node") as rig:
            rig.link.invite(hub.invitation())
            await rig.until(Phase.CONNECTED)
        for number in range(1, 5001):
            hub.ledger[1, number] = "watched"
        async with rigged(folder / "node") as rig:
            kept = [await rig.frame() for _ in range(3)]
            await rig.drained()
            assert hub.epoch == 2
            assert [hub.ledger[2, number] for number in (1, 2, 3)] == kept
            kept.append(await rig.frame())
            await rig.drained()
            assert hub.ledger[2, 4] == kept[-1]
        async with rigged(folder / "node") as rig:
            await rig.until(Phase.CONNECTED)
            assert hub.heard(Hello)[-1].epoch == 2


class CountedPauses(Pauses):
    """Draws pauses, and does not make them."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def after(self, code: int | None) -> float:
        self.drawn.append(super().after(code))
        return 0.02


async def changed(rig: Rig, hub: SmallHub) -> bytes:
    """The credential that the node uses from now on."""
    before, connections = set(hub.nodes), hub.connections
    await hub.rotate()
    await hub.until(lambda: set(hub.nodes) != before)
    (fresh,) = set(hub.nodes) - before
    hub.cut()
    await hub.until(lambda: hub.connections > connections)
    await rig.eventually(lambda: rig.state.paired and rig.state.paired.credential == fresh)
    await rig.until(Phase.CONNECTED)
    return fresh


class TestCredentials:
    async def test_a_new_credential_is_used_from_the_next_connection_on(self, paired: Rig, hub: SmallHub) -> None:
        (first,) = hub.nodes
        await hub.rotate()
        await hub.until(lambda: hub.heard(Credential))
        (second,) = set(hub.nodes) - {first}
        hub.cut()
        await hub.until(lambda: hub.heard(Hello))
        await paired.until(Phase.CONNECTED)
        assert hub.heard(Hello)[-1].credential == second
        assert paired.state.paired is not None
        assert (paired.state.paired.credential, paired.state.paired.offered) == (second, None)

    async def test_the_older_one_is_used_where_the_new_one_never_arrived(self, paired: Rig, hub: SmallHub) -> None:
        (first,) = hub.nodes
        await hub.rotate()
        await hub.until(lambda: hub.heard(Credential))
        for second in set(hub.nodes) - {first}:
            del hub.nodes[second]
        hub.cut()
        await hub.until(lambda: len(hub.heard(Hello)) == 2)
        await paired.until(Phase.CONNECTED)
        assert [hello.credential == first for hello in hub.heard(Hello)] == [False, True]
        assert paired.state.paired is not None
        assert paired.state.paired.offered is None

    async def test_a_hub_restored_from_before_the_last_changes_is_offered_older_ones(
        self, paired: Rig, hub: SmallHub
    ) -> None:
        """Newest first, and not all at once."""
        made = [next(iter(hub.nodes)), *[await changed(paired, hub) for _ in range(3)]]
        frame = await paired.frame()
        hub.nodes = {made[0]: hub.nodes[made[0]]}
        hub.said.clear()
        pauses = paired.link._pauses = CountedPauses()
        hub.cut()
        await hub.until(lambda: len(hub.heard(Hello)) == 4)
        await paired.drained()
        assert [hello.credential for hello in hub.heard(Hello)] == made[::-1]
        assert [LONGEST / 2 <= pause <= LONGEST for pause in pauses.drawn if pause > SHORTEST] == [True, True, True]
        exactly_once(hub, [frame])
        fresh = await changed(paired, hub)
        assert paired.state.paired is not None
        assert paired.state.paired.credentials == (fresh, made[0], *made[:0:-1])

    async def test_a_node_that_is_unknown_keeps_its_pictures_and_says_so(self, paired: Rig, hub: SmallHub) -> None:
        hub.nodes.clear()
        hub.cut()
        await paired.until(Phase.REFUSED)
        await paired.frame()
        assert paired.state.paired is not None
        hub.epoch = 1
        paired.link.invite(hub.invitation())
        await paired.drained()

    async def test_a_revoked_node_forgets_its_credential_and_keeps_its_pictures(
        self, paired: Rig, hub: SmallHub
    ) -> None:
        frame = await unanswered(paired, hub)
        await hub.close(Close.REVOKED)
        await paired.until(Phase.UNPAIRED)
        assert paired.state.paired is None
        assert "removed" in paired.link.problem
        await delivers_anew(paired, hub)
        exactly_once(hub, [frame])

    async def test_why_it_was_closed_is_heard_in_the_middle_of_sending(self, paired: Rig, hub: SmallHub) -> None:
        async def send() -> None:
            while True:
                await paired.frame()

        sending = asyncio.create_task(send())
        await hub.until(lambda: len(hub.ledger) > 20)
        await hub.close(Close.REVOKED)
        await paired.until(Phase.UNPAIRED)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert hub.connections == 1

    @pytest.mark.parametrize("code", [Close.MALFORMED, Close.DUPLICATE, Close.VERSION, Close.TOO_FAST, Close.STOPPING])
    async def test_after_any_other_end_it_comes_back(self, paired: Rig, hub: SmallHub, code: Close) -> None:
        await hub.close(code)
        await hub.until(lambda: hub.connections == 2)
        await paired.until(Phase.CONNECTED)


class TestAddresses:
    async def test_a_hub_that_moved_is_found_by_its_key(self, folder: Path, hub: SmallHub) -> None:
        places: list[tuple[str, int]] = []

        async def announced() -> list[tuple[str, int]]:
            return places

        async with rigged(folder / "node", discover=announced) as rig, small_hub(folder / "false") as false:
            rig.link.invite(hub.invitation())
            await rig.until(Phase.CONNECTED)
            await hub.kill()
            hub.port = 0
            await hub.start()
            places += [("127.0.0.1", false.port), ("127.0.0.1", hub.port)]
            frame = await rig.frame()
            await rig.drained()
            exactly_once(hub, [frame])
            assert false.connections == 0

    async def test_the_next_key_is_trusted_and_no_other(
        self, folder: Path, paired: Rig, hub: SmallHub, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Who has another is told nothing, and is said and counted: once for each spell, not for each try."""
        opened = paired.link._open
        tried: list[object] = []

        async def open_(*words: Any) -> Any:
            tried.append(words)
            return await opened(*words)

        paired.link._open = open_  # type: ignore[method-assign]
        for spell in (1, 2):
            await hub.kill()
            old, hub.key = hub.key, Key(folder, "stranger")
            await hub.start()
            tried.clear()
            connections = hub.connections
            await paired.eventually(lambda: "another key" in paired.link.problem and len(tried) > 3)
            assert hub.connections == connections
            assert (await paired.log.report()).incidents == {OTHER_KEY: spell}
            await hub.kill()
            hub.key = old
            await hub.start()
            await paired.until(Phase.CONNECTED)
        said = [record.getMessage() for record in caplog.records if "another key" in record.getMessage()]
        assert len(said) == 2
        assert paired.state.paired is not None
        assert not any(secret in "".join(said) for secret in (hub.key.pin.hex(), paired.state.paired.credential.hex()))
        old = hub.key
        await hub.kill()
        hub.key = Key(folder, "again", key=old.key)  # the same key with another certificate
        await hub.start()
        await paired.until(Phase.CONNECTED)

    async def test_a_hub_may_change_its_key_more_than_once(self, folder: Path, hub: SmallHub, rig: Rig) -> None:
        """Each time it says which key comes next; a key that was given up is trusted no longer."""
        keys = [hub.key, Key(folder, "second"), Key(folder, "third")]
        hub.backup = keys[1].pin
        rig.link.invite(hub.invitation())
        await rig.until(Phase.CONNECTED)
        for key, backup in ((keys[1], keys[2].pin), (keys[2], bytes(32))):
            await hub.kill()
            await rig.until(Phase.NO_HUB)
            hub.key, hub.backup = key, backup
            await hub.start()
            await rig.until(Phase.CONNECTED)
        assert rig.state.paired is not None
        await rig.eventually(lambda: rig.state.paired and rig.state.paired.hub.pins == {keys[2].pin, bytes(32)})


def test_moments_are_of_one_boot() -> None:
    from node.clock import BoardClock

    first, second = BoardClock().now(), BoardClock().now()
    assert isinstance(first, Moment)
    assert first.boot == second.boot
    assert 0 < first.mono <= second.mono
