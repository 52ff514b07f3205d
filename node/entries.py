"""The entries of a node's log as the spool keeps them in mind, and what happens to neighbours when one is given up."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from node.segments import Kind, Record, Segment
from node.wire import Moment

FULL: Final = "the spool was full"
STILL: Final = "the spool was full and nothing had moved"
DAMAGED: Final = "damaged on the card"
LARGE: Final = "larger than the hub takes"
UNWRITTEN: Final = "never written"
"""A number that was reserved and not used before the power went; no picture had it."""
SETTLED: Final = "acknowledged in an earlier epoch"
LOSSES: Final = frozenset({FULL, DAMAGED, LARGE})
"""Reasons after which the node no longer knows that it missed nobody."""
_DROPPED: Final = struct.Struct(">QI")
_LENS: Final = struct.Struct(">f")
NO_MOMENT: Final = Moment(0, 0, 0)


@dataclass(slots=True, eq=False)
class Entry:
    """A frame, a `watched`, or the numbers from `number` to `last` that were `dropped`.

    `record` in `segment` is where it is on disk; what is not there (yet) is in memory, a frame's JPEG in `held`.
    `sent`: in this connection; `told`: in any since the node started.
    """

    kind: Kind
    number: int
    last: int
    at: Moment = NO_MOMENT
    moved: bool = False
    lens: float | None = None
    count: int = 0
    reason: str = ""
    segment: Segment | None = None
    record: Record | None = None
    held: bytes | None = None
    sent: bool = False
    told: bool = False

    def stored(self, segment: Segment, record: Record) -> None:
        self.released()
        self.segment, self.record, self.held = segment, record, None
        segment.live += 1

    def released(self) -> None:
        """It no longer needs what is on disk."""
        if self.segment is not None:
            self.segment.live -= 1
        self.segment = self.record = self.held = None

    def give_up(self, reason: str) -> None:
        """It will never be sent; from now on it says so."""
        self.released()
        self.count = int(self.kind is Kind.FRAME)
        self.kind, self.reason, self.moved, self.sent = Kind.DROPPED, reason, False, False

    def payload(self) -> bytes:
        """What of a `watched` or `dropped` stands in its record."""
        if self.kind is Kind.DROPPED:
            return _DROPPED.pack(self.last, self.count) + self.reason.encode()
        return b"" if self.lens is None else _LENS.pack(self.lens)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An entry as it is to be sent; a frame's picture with it."""

    kind: Kind
    number: int
    last: int
    at: Moment
    lens: float | None
    count: int
    reason: str
    jpeg: bytes


def entry_of(record: Record, segment: Segment) -> Entry:
    """What a record says."""
    entry = Entry(record.kind, record.number, record.number, record.at, record.moved)
    if record.kind is Kind.DROPPED:
        entry.last, entry.count = _DROPPED.unpack_from(record.payload)
        entry.reason = record.payload[_DROPPED.size :].decode("utf-8", "replace")
    elif record.kind is Kind.WATCHED and record.payload:
        (entry.lens,) = _LENS.unpack(record.payload)
    entry.stored(segment, record)
    return entry


def dropped(first: int, last: int, reason: str, count: int = 0) -> Entry:
    return Entry(Kind.DROPPED, first, last, count=count, reason=reason)


def withdraw(entries: Iterable[Entry]) -> bool:
    """Gives up, in the log `entries`, each `watched` between a loss and the next frame that was kept.

    Returns whether the log ends like that, so that no further one may be added before the next frame.
    """
    reason = ""
    for entry in entries:
        if entry.kind is Kind.FRAME:
            reason = ""
        elif entry.kind is Kind.DROPPED and entry.reason in LOSSES:
            reason = entry.reason
        elif entry.kind is Kind.WATCHED and reason:
            entry.give_up(reason)
    return bool(reason)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """The log with neighbouring losses for one reason as one entry, unless they were sent apart."""
    found: list[Entry] = []
    for entry in entries:
        before = found[-1] if found else None
        if (
            before is not None
            and before.kind is entry.kind is Kind.DROPPED
            and before.reason == entry.reason
            and before.last + 1 == entry.number
            and not (before.sent or entry.sent)
        ):
            before.released()
            before.last, before.count = entry.last, before.count + entry.count
            entry.released()
        else:
            found.append(entry)
    return found
