"""The play: a hub that pairs, answers slowly, breaks connections, changes its key, and removes the node in the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.wire import (
    Accepted,
    Close,
    Health,
    Hello,
    Identify,
    Invitation,
    Pair,
    Picture,
    Pong,
    Refused,
    Update,
    Waiting,
    Watched,
)

from .demands import Demand, Verdicts
from .judge import Judge
from .stand_in import StandIn, Talk
from .steps import CONFIG, NODE, Away, Pace, Steps, is_frame, numbers_of

WEATHER: Final = '{"type":"weather","of":"a later version"}'


class Play:
    """Use `play`."""

    def __init__(
        self, steps: Steps, invite: Callable[[Invitation], None], tell: Callable[[str], None], thorough: bool
    ) -> None:
        self._do = steps
        self._thorough = thorough
        self._judge, self._verdicts, self._pace = steps.judge, steps.verdicts, steps.pace
        self._stand_in = steps.stand_in
        self._invite = invite
        self._tell = tell

    async def run(self) -> None:
        """Raises Away."""
        async with self._stand_in.listening():
            self._invite(self._do.invitation())
            talk = await self._paired()
            await self._deliveries(talk)
        await self._stranger()
        self._stand_in.switch()
        async with self._stand_in.listening():
            await self._sent_again()
            await self._older_credential()
            await self._removed()

    async def _paired(self) -> Talk:
        """The first connection breaks before the answer; a person takes her time in the second."""
        talk = await self._do.next(self._pace.pairs)
        first = await self._do.greeted(talk, Pair, Demand.PAIR)
        self._tell("the node came; its first connection breaks")
        talk.cut()
        cut = time.monotonic()
        talk = await self._do.next()
        pause = time.monotonic() - cut
        self._verdicts.judge(
            Demand.AGAIN, pause >= self._pace.soonest, f"the node after {pause:.2f} s", "a pause of 0.5 to 1 s first"
        )
        again = await self._do.greeted(talk, Pair, Demand.PAIR)
        if first is not None and again is not None:
            same = first.credential == again.credential
            self._verdicts.judge(
                Demand.SAME_CREDENTIAL, same, "`pair` with another credential", "the one that was written down before"
            )
        await talk.send(Accepted(NODE, self._do.epoch), Waiting())
        await self._do.snapshot(talk)
        await asyncio.sleep(self._pace.nothing)
        if not talk.over.is_set():
            self._verdicts.kept(Demand.WAITING)
        return talk

    async def _deliveries(self, talk: Talk) -> None:
        """With two credits, acknowledged slowly, backwards and twice; one entry is refused, and the wire breaks."""
        self._tell("paired and confirmed; entries are acknowledged slowly")
        judge, pace = self._judge, self._pace
        await self._do.welcome(talk, credits_=2)
        await self._do.seen(talk, Demand.HEALTH, Health, "`health` after `welcome`")
        await self._do.entries(talk, 2, Demand.NUMBERS)
        await asyncio.sleep(pace.nothing)
        if talk.course.credits == 0:
            self._verdicts.kept(Demand.CREDITS)
        first, second = [*sorted(judge.unsettled), 1, 2][:2]
        await talk.acknowledge((second, second), (first, first), credits_back=2)
        await talk.acknowledge((first, second))
        await self._do.entries(talk, 4, Demand.ACKNOWLEDGED)
        refused = min(judge.unsettled, default=3)
        judge.refused.add(refused)
        judge.settled.add(refused)
        talk.course.credits += 4
        await talk.send(Refused(refused, "the test of conformance", 4))
        await self._do.entries(talk, 6, Demand.NUMBERS)
        if not await talk.until(lambda: any(map(is_frame, talk.heard)), pace.entries):
            self._tell("no frame has come yet: does the camera see anything?")
        talk.cut()

    async def _stranger(self) -> None:
        """Somebody else has the hub's address."""
        self._tell("another key answers at the hub's address")
        told = await self._stand_in.stranger(self._pace.comes)
        if told is None:
            raise Away
        self._verdicts.judge(Demand.KEY, told == 0, f"{told} bytes over TLS", "nothing to a key that is not pinned")

    async def _sent_again(self) -> None:
        """The hub is back with its next key; all that it did not acknowledge is to come again."""
        self._tell("the hub is back, with its next key")
        talk = await self._do.next(demand=Demand.NEXT_KEY)
        await self._do.greeted(talk, Hello, Demand.HELLO)
        missing = set(self._judge.unsettled)
        await self._do.welcome(talk, credits_=100)
        await talk.until(lambda: not missing - numbers_of(talk), self._pace.entries)
        missing -= numbers_of(talk)
        listed = ", ".join(map(str, sorted(missing)))
        self._verdicts.judge(Demand.RESENT, not missing, f"not number {listed}", "all that was not acknowledged")
        self._verdicts.kept(Demand.REFUSED)
        await self._do.settled(talk)
        await self._do.seen(talk, Demand.WATCHED, Watched, "`watched` each second")
        await self._do.seen(talk, Demand.PONG, Pong, "`pong` after each `ping`")
        talk = await self._do.still(talk)
        await self._configurations(talk)
        talk = await self._do.still(talk)
        await self._do.snapshot(talk)
        talk = await self._do.still(talk)
        await talk.send(Identify(1.0), Update("999.0", "of the test of conformance"))
        await self._do.lives(talk, Demand.HARMLESS)
        talk = await self._do.still(talk)
        await talk.send(WEATHER)
        await self._do.lives(talk, Demand.UNKNOWN)
        await self._do.rotated(await self._do.still(talk))

    async def _configurations(self, talk: Talk) -> None:
        await self._do.configure(talk, {**CONFIG, "quality": 70}, Demand.CONFIGURED)
        await self._do.configure(talk, {**CONFIG, "interval": "often"}, Demand.PROBLEM)
        await self._do.configure(talk, {**CONFIG, "active": [[0, 1]]}, Demand.CONFIGURED)
        since = talk.course.now() + self._pace.nothing * 1e6  # what was under way may come
        await asyncio.sleep(2 * self._pace.nothing)
        frames = (message for message in talk.heard if isinstance(message, Picture) and is_frame(message))
        came = sum(frame.at.mono > since for frame in frames)
        if not talk.over.is_set():
            self._verdicts.judge(Demand.ACTIVE, not came, f"{came} frames", "none outside of the active hours")
        await self._do.configure(talk, CONFIG, Demand.CONFIGURED)

    async def _older_credential(self) -> None:
        """The new credential never arrived, as it seems; then the card was restored from a copy, as it seems."""
        self._tell("the new credential is refused, then the older one taken")
        older, newer = self._do.credential, self._do.offered
        talk = await self._do.next()
        hello = await self._do.greeted(talk, Hello, Demand.HELLO)
        if hello is not None and hello.credential == newer:
            await talk.close(Close.UNAUTHORISED)
            talk = await self._do.next()
            hello = await self._do.greeted(talk, Hello, Demand.HELLO)
            taken = hello is not None and hello.credential == older
            self._verdicts.judge(Demand.OLDER, taken, "not the older credential", "the older one, after 4002")
        else:
            self._verdicts.broken(Demand.ROTATION, "`hello` with another credential", "the new one, from now on")
        await self._renumbered(talk)
        await self._do.rotated(await self._do.still(talk), says=True)
        newer = self._do.offered
        talk = await self._do.next()
        hello = await self._do.greeted(talk, Hello, Demand.HELLO)
        used = hello is not None and hello.credential == newer
        self._verdicts.judge(Demand.ROTATION, used, "`hello` without the new credential", "the new one, from now on")
        await self._do.welcome(talk, credits_=100)
        if self._thorough:
            talk = await self._patience(await self._do.still(talk))
        await talk.close(Close.REVOKED)

    async def _renumbered(self, talk: Talk) -> None:
        self._do.epoch += 1
        self._judge.new_epoch()
        before = len(talk.heard)
        await talk.send(Accepted(NODE, self._do.epoch))
        hello = await talk.first(Hello, self._pace.answers, before)
        if hello is None and talk.over.is_set():  # in another connection, then
            talk = await self._do.next()
            hello = await self._do.greeted(talk, Hello, Demand.HELLO)
        moved = hello is not None and hello.epoch == self._do.epoch
        if not moved:
            came = self._do.silence(talk, self._pace.answers) if hello is None else f"`hello` of epoch {hello.epoch}"
            self._verdicts.broken(Demand.NEW_EPOCH, came, f"`hello` of epoch {self._do.epoch}")
        await self._do.welcome(talk, credits_=100)
        if await self._do.entries(talk, 1, Demand.NEW_EPOCH) and moved:
            first = min(self._judge.entries)
            self._verdicts.judge(Demand.NEW_EPOCH, first == 1, f"number {first} first", "numbers from 1")
        await self._do.settled(talk)

    async def _patience(self, talk: Talk) -> Talk:
        """The hub is silent, restarts, and ends a connection for a broken rule."""
        self._tell("the hub is silent; this takes some minutes")
        talk.mute = True
        started = time.monotonic()
        least, most = self._pace.silence
        await talk.until(talk.over.is_set, most)
        took = time.monotonic() - started
        left = talk.over.is_set() and talk.code == Close.SILENT and took >= least
        came = f"{self._do.silence(talk, most)} after {took:.0f} s" if talk.over.is_set() else "a node that stays"
        self._verdicts.judge(Demand.SILENCE, left, came, f"4008 after {least:g} to {most:g} s")
        talk.cut()
        talk = await self._do.next()
        await self._do.greeted(talk, Hello, Demand.HELLO)
        await self._do.welcome(talk, credits_=100)
        await talk.close(Close.STOPPING)
        self._tell("the hub restarts")
        talk = await self._do.waited(Demand.RESTART, 0.0, self._pace.restart)
        await talk.close(Close.MALFORMED)
        self._tell("the hub has found a broken rule, as it says")
        return await self._do.waited(Demand.LONGEST, *self._pace.longest)

    async def _removed(self) -> None:
        self._tell("the node is removed")
        talk = await self._stand_in.come(2 * self._pace.nothing)
        said = None if talk is None else await talk.until(lambda: talk.heard, self._pace.answers)
        self._verdicts.judge(
            Demand.REVOKED, not said, "the node again, with a credential", "nobody: it waits for a code"
        )


async def play(
    verdicts: Verdicts,
    folder: Path,
    place: tuple[str, int],
    invite: Callable[[Invitation], None],
    tell: Callable[[str], None],
    pace: Pace,
    thorough: bool = False,
) -> bool:
    """Plays at `place` (address, port; 0 is any) to the end, or until the node comes no more; says which.

    `folder` is for keys; `invite` gets what the node is to pair by, `tell` how far it is. With
    `thorough` what is SLOW, too.
    Raises Failure.
    """
    judge = Judge(verdicts)
    steps = Steps(StandIn(folder, judge, place, pace.pings), judge, os.urandom(16), pace)
    try:
        await Play(steps, invite, tell, thorough).run()
    except Away:
        return False
    return True
