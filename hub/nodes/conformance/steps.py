"""What the hub of the play says and waits for, judged each time."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from node.wire import (
    VERSION,
    Configure,
    Configured,
    Credential,
    Hello,
    Invitation,
    Pair,
    Picture,
    PictureKind,
    Pong,
    Rotate,
    Rotated,
    TakeSnapshot,
    Watched,
    Welcome,
)

from .demands import Demand
from .judge import LARGEST, Judge
from .stand_in import StandIn, Talk

T = TypeVar("T")

NODE: Final = "n-under-test"
CONFIG: Final[Mapping[str, Any]] = {"interval": 0.5, "keepalive": 1.0, "watch": 1.0, "night": "keep", "later": None}
"""Something to send every second, though nothing moves."""


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long is waited for the node to come first, to come again, to answer, and to have entries; for how
    long nothing is to come where nothing may; the shortest pause before it comes again; between two pings. Of what is
    slow: the silence that a node bears at least and at most, the same of its longest pause, and of that after 4009."""

    pairs: float = 600.0
    comes: float = 90.0
    answers: float = 10.0
    entries: float = 30.0
    nothing: float = 2.5
    soonest: float = 0.45
    pings: float = 0.5
    silence: tuple[float, float] = (55.0, 75.0)
    longest: tuple[float, float] = (29.0, 65.0)
    restart: float = 35.0


class Away(Exception):
    """The node did not come (again)."""


class Steps:
    """`epoch` is the node's, `credential` the one that counts, `offered` one that it made since."""

    def __init__(self, stand_in: StandIn, judge: Judge, token: bytes, pace: Pace) -> None:
        self.stand_in = stand_in
        self.judge = judge
        self.verdicts = judge.verdicts
        self.pace = pace
        self.credential = self.offered = b""
        self.epoch = 1
        self._token = token
        self._configs = 0

    def invitation(self) -> Invitation:
        """For the node, good for as long as the play lasts."""
        hub, keys = self.stand_in, self.stand_in.identity
        hub.secrets.add(self._token)
        return Invitation(hub.host, hub.port, self._token, keys.pin, keys.backup)

    async def next(self, within: float = 0.0, demand: Demand | None = None) -> Talk:
        """The next connection. `demand` is broken where there is none. Raises Away."""
        within = within or self.pace.comes
        talk = await self.stand_in.come(within)
        if demand is not None:
            self.verdicts.judge(demand, talk is not None, f"nobody within {within:g} s", "the node")
        if talk is None:
            raise Away
        return talk

    async def greeted(self, talk: Talk, kind: type[T], demand: Demand) -> T | None:
        """The first message, which is to be of this kind."""
        said = await talk.until(lambda: talk.heard, self.pace.answers)
        name = kind.__name__.lower()
        if not said or not isinstance(said[0], kind):
            came = f"`{type(said[0]).__name__.lower()}`" if said else self.silence(talk, self.pace.answers)
            self.verdicts.broken(demand, f"{came} first", f"`{name}`")
            return None
        found = said[0]
        if isinstance(found, Pair):
            self._pairs(found)
        elif isinstance(found, Hello):
            self._says_hello(found)
        return found

    def _pairs(self, pair: Pair) -> None:
        fine = pair.token == self._token and pair.protocol == VERSION
        self.verdicts.judge(Demand.PAIR, fine, "another token or protocol", f"the invitation's, and {VERSION}")
        self.credential = pair.credential
        self.stand_in.secrets.add(pair.credential)

    def _says_hello(self, hello: Hello) -> None:
        known = (self.credential, self.offered)
        for fine, came, expected in (
            (hello.node == NODE, f"node {hello.node[:40]!r}", NODE),
            (hello.epoch == self.epoch, f"epoch {hello.epoch}", str(self.epoch)),
            (hello.credential in known, "a credential that this hub never saw", "the one of `pair`, or a rotated one"),
            (hello.last >= self.judge.highest, f"last {hello.last}", f"{self.judge.highest} or more, which it gave"),
        ):
            self.verdicts.judge(Demand.HELLO, fine, came, expected)

    async def welcome(self, talk: Talk, credits_: int) -> None:
        highest = self.judge.highest
        acknowledged = min(self.judge.unsettled, default=highest + 1) - 1
        self._configs += 1
        version = str(self._configs)
        talk.course.welcomed, talk.course.credits = True, credits_
        before = len(talk.heard)
        now, backup = time.time_ns() // 1000, self.stand_in.identity.backup
        await talk.send(Welcome(now, credits_, LARGEST, acknowledged, version, CONFIG, backup))
        said = await talk.until(lambda: _configured(talk, before, version), self.pace.answers)
        self.verdicts.judge(
            Demand.CONFIGURED, said, self.silence(talk, self.pace.answers), f"`configured` of version {version}"
        )

    async def configure(self, talk: Talk, config: Mapping[str, Any], demand: Demand) -> None:
        self._configs += 1
        version, before = str(self._configs), len(talk.heard)
        await talk.send(Configure(version, config))
        found = await talk.until(lambda: _configured(talk, before, version), self.pace.answers)
        wanted = f"`configured` of version {version} {'with' if demand is Demand.PROBLEM else 'without'} a problem"
        if found is None:
            self.verdicts.broken(demand, self.silence(talk, self.pace.answers), wanted)
        elif demand is Demand.PROBLEM:
            self.verdicts.judge(demand, found.problem, "no problem with an interval that is a word", wanted)
        else:
            self.verdicts.judge(demand, not found.problem, f"a problem: {found.problem}", wanted)

    async def snapshot(self, talk: Talk) -> None:
        request = int.from_bytes(os.urandom(3), "big")
        await talk.send(TakeSnapshot(request))

        def shown() -> bool:
            pictures = (m for m in talk.heard if isinstance(m, Picture))
            return any(picture.kind is PictureKind.SNAPSHOT and picture.number == request for picture in pictures)

        found = await talk.until(shown, self.pace.entries)
        self.verdicts.judge(
            Demand.SNAPSHOT, found, self.silence(talk, self.pace.entries), f"a picture of kind 2 with number {request}"
        )

    async def rotated(self, talk: Talk, says: bool = False) -> None:
        """Asks for a new credential, acknowledges it or not, and cuts the connection."""
        await talk.send(Rotate())
        found = await talk.first(Credential, self.pace.answers)
        if found is None:
            self.verdicts.broken(Demand.ROTATION, self.silence(talk, self.pace.answers), "`credential`")
        elif found.credential in (self.credential, self.offered):
            self.verdicts.broken(Demand.ROTATION, "`credential` with one that it had", "a new one")
        else:
            self.offered = found.credential
            self.stand_in.secrets.add(found.credential)
        if says:
            await talk.send(Rotated())
            await self.lives(talk, Demand.HARMLESS)
        talk.cut()

    async def settled(self, talk: Talk) -> None:
        """From now on everything is acknowledged."""
        talk.settles = True
        waiting = sorted(self.judge.unsettled)
        if waiting:
            await talk.acknowledge(*((n, n) for n in waiting), credits_back=len(waiting))

    async def still(self, talk: Talk) -> Talk:
        """The connection, or another in its place where the node has ended it, so that what follows is seen, too."""
        if not talk.over.is_set():
            return talk
        talk = await self.next()
        await self.greeted(talk, Hello, Demand.HELLO)
        await self.welcome(talk, credits_=100)
        await self.settled(talk)
        return talk

    async def waited(self, demand: Demand, least: float, most: float) -> Talk:
        """The next connection, which is to come after a pause of so many seconds. Raises Away."""
        started = time.monotonic()
        talk = await self.next(most + self.pace.comes, demand)
        pause = time.monotonic() - started
        self.verdicts.judge(demand, least <= pause <= most, f"the node after {pause:.1f} s", f"{least:g} to {most:g} s")
        await self.greeted(talk, Hello, Demand.HELLO)
        await self.welcome(talk, credits_=100)
        return talk

    async def lives(self, talk: Talk, demand: Demand) -> None:
        """Whether the node goes on after what it was just told: it answers two more pings."""
        before = len(talk.heard)
        found = await talk.until(lambda: sum(isinstance(m, Pong) for m in talk.heard[before:]) >= 2, self.pace.answers)
        self.verdicts.judge(demand, found, self.silence(talk, self.pace.answers), "the connection goes on, and `pong`")

    async def entries(self, talk: Talk, least: int, demand: Demand) -> bool:
        """Waits until so many entries of the epoch have come."""
        found = await talk.until(lambda: len(self.judge.entries) >= least, self.pace.entries)
        self.verdicts.judge(demand, found, self.silence(talk, self.pace.entries), "an entry each second")
        return bool(found)

    async def seen(self, talk: Talk, demand: Demand, kind: type[object], what: str) -> None:
        """Waits for a message of this kind."""
        found = await talk.first(kind, self.pace.answers)
        self.verdicts.judge(demand, found is not None, self.silence(talk, self.pace.answers), what)

    @staticmethod
    def silence(talk: Talk, within: float) -> str:
        if talk.over.is_set():
            return f"the end of the connection{f' ({talk.code})' if talk.code else ''}"
        return f"nothing within {within:g} s"


def is_frame(message: object) -> bool:
    return isinstance(message, Picture) and message.kind is PictureKind.FRAME


def numbers_of(talk: Talk) -> set[int]:
    """Of the entries that came in this connection."""
    frames = {m.number for m in talk.heard if isinstance(m, Picture) and m.kind is PictureKind.FRAME}
    return frames | {m.seq for m in talk.heard if isinstance(m, Watched)}


def _configured(talk: Talk, behind: int, version: str) -> Configured | None:
    said = (m for m in talk.heard[behind:] if isinstance(m, Configured))
    return next((m for m in said if m.version == version), None)
