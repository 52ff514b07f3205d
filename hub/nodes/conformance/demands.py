"""What docs/node-protocol.md demands of a node, as far as a hub can see it, and what was found of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

MOST: Final = 3
"""Findings told of one demand: the first ones say most."""


class Demand(Enum):
    """Under which heading of the page it stands, and what it demands."""

    ADDRESS = "The connection", "a WebSocket at /node/v1 without subprotocol; nothing secret in URL or headers"
    KEY = "The connection", "nothing is said to a hub whose key fits neither pin"
    NEXT_KEY = "The connection", "a hub that shows its next key is talked to"
    MESSAGES = "The connection", "each message has the fields and types of the page"
    UNKNOWN = "The connection", "unknown types and fields, and null, do no harm"
    AGAIN = "The connection", "after a broken connection the node comes again, after half a second or more"
    SILENCE = "The connection", "a hub that says nothing for 60 s is left, with 4008"
    PAIR = "Pairing", "`pair` comes first, with the invitation's token"
    SAME_CREDENTIAL = "Pairing", "where the answer to `pair` was lost, the same credential comes again"
    WAITING = "Pairing", "until it is confirmed the node sends only snapshots, `pong` and `health`"
    HELLO = (
        "Every other connection",
        "`hello` comes first: node, credential and epoch as agreed, `last` as high as any number",
    )
    NEW_EPOCH = "Every other connection", "`accepted` after `hello`: what waits is numbered from 1 in the new epoch"
    ROTATION = "Every other connection", "`rotate` brings a new credential, which is used from the next connection on"
    OLDER = "Every other connection", "where the new credential is refused with 4002, the older one is offered"
    RESTART = "Every other connection", "after 4009 the node comes again within 30 s"
    LONGEST = "Every other connection", "after 4001 it comes again after its longest pause, 30 to 60 s"
    REVOKED = "Every other connection", "after 4003 the credential is forgotten"
    NUMBERS = "The log", "numbers rise by one from 1, those that `dropped` names left out"
    ENTRIES = "The log", "a number stands for one entry for ever"
    WATCHED = "The log", "`watched` is said though nothing moves"
    LIVE = "The log", "frames sent within 5 s of their capture are live, and no others"
    CREDITS = "The log", "each entry takes a credit; without one the node waits"
    RATE = "The log", "no more than fifty other messages at once, or five a second"
    ACKNOWLEDGED = "The log", "acknowledgements in any order, and repeated, do no harm"
    RESENT = "The log", "after a broken connection all that is unacknowledged comes again"
    REFUSED = "The log", "what was refused does not come again"
    PONG = "Time", "`pong` answers each `ping` at once, with a monotonic clock that grows"
    CONFIGURED = "Configuration", "`configured` answers `welcome` and `configure`, by their version"
    PROBLEM = "Configuration", "a configuration that cannot be is answered with a problem"
    ACTIVE = "Configuration", "outside of `active` nothing is captured"
    HEALTH = "The rest", "`health` follows `welcome`"
    SNAPSHOT = "The rest", "`take_snapshot` is answered by a picture of kind 2 with its number"
    HARMLESS = "The rest", "`identify` and `update` do no harm"
    PICTURES = "Pictures", "the header fits the picture, which is a JPEG and not too large"

    @property
    def heading(self) -> str:
        return self.value[0]

    @property
    def text(self) -> str:
        return self.value[1]


SLOW: Final = frozenset({Demand.SILENCE, Demand.RESTART, Demand.LONGEST})
"""What takes minutes to see."""


class Verdict(StrEnum):
    KEPT = "kept"
    BROKEN = "broken"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came, and what the page wants; neither holds a secret."""

    came: str
    expected: str


@dataclass
class Verdicts:
    """A demand that was found broken stays that, whatever else is seen of it."""

    _kept: set[Demand] = field(default_factory=set)
    findings: dict[Demand, list[Finding]] = field(default_factory=dict)

    def kept(self, *demands: Demand) -> None:
        self._kept.update(demands)

    def broken(self, demand: Demand, came: str, expected: str) -> None:
        found = self.findings.setdefault(demand, [])
        if len(found) < MOST:
            found.append(Finding(came, expected))

    def judge(self, demand: Demand, fine: object, came: str, expected: str) -> None:
        if fine:
            self.kept(demand)
        else:
            self.broken(demand, came, expected)

    def of(self, demand: Demand) -> Verdict:
        if demand in self.findings:
            return Verdict.BROKEN
        return Verdict.KEPT if demand in self._kept else Verdict.NOT_SEEN
