"""The node's log on disk: what it has to tell the hub, kept until the hub has it, whatever happens to power and card.

Three streams of append-only files: pictures in which something moved, pictures in which nothing did, and the rest
(`watched`, `dropped`). A full spool gives up whole files, those without movement first and the oldest first. A file
goes as soon as the hub has everything in it. A picture is synced before `frame` returns. A `watched` waits in memory
for `commit`: losing one only makes the node claim less; so where the hub answers, they are hardly ever written.

Numbers are those of the card's life; what the hub is told is counted from the start of its epoch (node/state.py).
"""

from __future__ import annotations

import errno
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from node.counters import Counters, CountersFile
from node.entries import DAMAGED, FULL, LARGE, SETTLED, STILL, Entry, Outgoing, dropped, merged, withdraw
from node.recovery import MARKS, name, recover, serial
from node.segments import Kind, Segment
from node.wire import Moment

MOVED, STILLS = "moved", "still"
RESERVE: Final = 1000
"""Numbers reserved at a time; a reservation writes 4 kB."""
LARGEST_SEGMENT: Final = 4_000_000
OLDEST_US: Final = 60_000_000
"""Microseconds after which a file is continued in another one, so that what the hub has leaves the card."""
MOST_HELD: Final = 8_000_000
"""Bytes of pictures kept in memory while the card takes none."""
MOST_MARKS: Final = 20_000
"""Of `watched` and `dropped`: a week away from the hub, at twelve hours a day. They take memory."""
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Report:
    """`dropped` and `incidents` as in Counters. `problem`: a sentence on what keeps the card from being written."""

    entries: int
    frames: int
    bytes: int
    written: int
    dropped: dict[str, int]
    incidents: dict[str, int]
    problem: str


class Spool:
    """Synchronous, for one thread at a time. Frames and marks are to be added in the order of their capture."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Raises OSError when the folder cannot be used."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.limit = limit
        self._folder = folder
        self._counters = CountersFile(folder / "counters")
        known = self._counters.last
        found = recover(folder, known.settled, known.reserved)
        self._segments = found.segments
        self._active: dict[str, Segment] = {}
        self._opened: dict[str, int] = {}
        self._serial = max((serial(s.path) for s in self._segments), default=0)
        self._dropped = Counter(dict(known.dropped))
        self._incidents = Counter(dict(known.incidents))
        self._dropped[DAMAGED] += sum(loss.count for loss in found.losses)
        self._withholding = withdraw(found.entries)
        self._entries = merged(found.entries)
        self._last = max([known.reserved, *(entry.last for entry in self._entries)])
        self._problem = ""
        self._written = 0
        self._settle(0, known.settled)
        self.commit()
        if found.losses:
            self._write_counters()
        if not self._problem:  # the losses are on the card: once is often enough to find them
            self._shorten(found.torn)

    # ---- what is added

    @property
    def last(self) -> int:
        """The highest number ever given, or that may have been given."""
        return self._last

    def frame(self, at: Moment, jpeg: bytes, moved: bool) -> None:
        """Keeps a picture: durably when this returns, or in memory while the card takes nothing."""
        number = self._next_number()
        entry = Entry(Kind.FRAME, number, number, at, moved, held=jpeg)
        self._entries.append(entry)
        self._withholding = False
        if not self._store(entry, MOVED if moved else STILLS, jpeg):
            self._hold_no_more_than(MOST_HELD)

    def watched(self, at: Moment, lens: float | None = None) -> None:
        """Says that all captured until `at` was kept; nothing where that is not so."""
        if not self._withholding:
            number = self._next_number()
            self._entries.append(Entry(Kind.WATCHED, number, number, at, lens=lens))

    def commit(self) -> None:
        """Writes what is in memory, as far as the card takes it, and lets go of files that nobody needs."""
        self._thin()
        waiting = [entry for entry in self._entries if entry.record is None]
        for entry in waiting:
            if entry.held is not None and not self._store(entry, MOVED if entry.moved else STILLS, entry.held):
                break
        marks = [entry for entry in waiting if entry.kind is not Kind.FRAME]
        if marks:
            self._append_marks(marks)
        for stream, segment in list(self._active.items()):
            if not segment.live:
                self._retire(stream)

    # ---- what is sent

    def rewind(self) -> None:
        """Whatever was sent and not acknowledged is to be sent again."""
        for entry in self._entries:
            entry.sent = False

    def take(self, largest: int) -> Outgoing | None:
        """The next entry to be sent, a picture of at most `largest` bytes; None when there is none."""
        while (entry := next((entry for entry in self._entries if not entry.sent), None)) is not None:
            data: bytes | None = b""
            if entry.kind is Kind.FRAME:
                data = entry.held
                if data is None and entry.segment is not None and entry.record is not None:
                    data = entry.segment.read(entry.record)
                if data is None or len(data) > largest:
                    self._give_up([entry], DAMAGED if data is None else LARGE)
                    continue
            entry.sent = entry.told = True
            return Outgoing(
                entry.kind, entry.number, entry.last, entry.at, entry.lens, entry.count, entry.reason, data or b""
            )
        return None

    def settle(self, first: int, last: int) -> None:
        """The hub has the entries with these numbers (inclusive)."""
        self._settle(first, last)
        self._remove_needless()

    def believe(self, last: int) -> None:
        """The hub says that it has everything up to this number: of what the node has told it, that is.

        What it was never told may be another's: where this card is a copy, numbers after the copy were given twice.
        """
        for entry in [entry for entry in self._entries if entry.told and entry.last <= last]:
            self._settle(entry.number, entry.last)
        self._remove_needless()

    def refuse(self, number: int, reason: str) -> None:
        """The hub will never take this entry."""
        at = bisect_left(self._entries, number, key=lambda entry: entry.number)
        if at < len(self._entries) and self._entries[at].number == number:
            if self._entries[at].kind is Kind.FRAME:
                self._count(f"refused by the hub: {reason[:80]}", 1)
            self.settle(number, self._entries[at].last)

    def note(self, incident: str) -> None:
        """Counts, durably, what befell the node."""
        self._incidents[incident] += 1
        self._write_counters()

    # ---- epochs

    def restart(self) -> int:
        """Readies everything unacknowledged for a new epoch; answers the number before its first."""
        here, holes = (self._entries[0].number if self._entries else self._last + 1), []
        for entry in [*self._entries, dropped(self._last + 1, self._last + 1, SETTLED)]:
            if here < entry.number:
                holes.append(dropped(here, entry.number - 1, SETTLED))
            here = entry.last + 1
        self._entries = sorted(self._entries + holes, key=lambda entry: entry.number)
        self.rewind()
        self.commit()
        return self._entries[0].number - 1 if self._entries else self._last

    def clear(self) -> int:
        """Gives everything up, for good and without telling the hub; answers how many frames that were."""
        frames = sum(entry.kind is Kind.FRAME for entry in self._entries)
        self._settle(0, self._last)
        for stream in list(self._active):
            self._retire(stream)
        self._remove_needless()
        self._dropped.clear()
        self._incidents.clear()
        self._write_counters()
        return frames

    # ---- what is known

    def report(self) -> Report:
        frames = sum(entry.kind is Kind.FRAME for entry in self._entries)
        lost = {reason: count for reason, count in self._dropped.items() if count}
        told = dict(self._incidents)
        return Report(len(self._entries), frames, self._bytes(), self._written, lost, told, self._problem)

    def close(self) -> None:
        self.commit()
        self._write_counters(reserved=self._last)
        for segment in self._active.values():
            segment.seal()
        self._counters.close()

    # ---- inside

    def _bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    def _next_number(self) -> int:
        if self._last >= self._counters.last.reserved:
            # Where this cannot be written, the hub notices a number given twice (`hello` says less than it has).
            self._write_counters(reserved=self._last + RESERVE)
        self._last += 1
        return self._last

    def _write_counters(self, reserved: int | None = None) -> None:
        settled = self._entries[0].number - 1 if self._entries else self._last
        lost = {reason: count for reason, count in self._dropped.most_common(20) if count}
        reserved = self._counters.last.reserved if reserved is None else reserved
        self._try(lambda: self._counters.write(Counters(reserved, settled, lost, dict(self._incidents))))

    def _count(self, reason: str, pictures: int) -> None:
        self._dropped[reason] += pictures

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OSError as error:
            self._problem = f"the card cannot be written: {error.strerror}"
            return False
        return True

    def _store(self, entry: Entry, stream: str, jpeg: bytes) -> bool:
        """Makes a frame durable, at the cost of older ones."""
        while self._bytes() + len(jpeg) > self.limit and self._evict_one():
            pass
        while self._bytes() + len(jpeg) <= self.limit:
            try:
                self._append([entry], stream)
            except OSError as error:
                self._problem = f"the card cannot be written: {error.strerror}"
                if error.errno in NO_ROOM and self._evict_one():
                    continue
                return False
            return True
        return False

    def _append_marks(self, marks: list[Entry]) -> bool:
        return self._try(lambda: self._append(marks, MARKS))

    def _append(self, entries: list[Entry], stream: str) -> None:
        """Durably. Raises OSError; then none of the entries counts as written."""
        segment = self._segment(stream, entries[0].at)
        try:
            records = [
                segment.append(entry.kind, entry.number, entry.at, entry.moved, entry.held or entry.payload())
                for entry in entries
            ]
            segment.sync()
        except OSError:
            self._retire(stream)
            raise
        for entry, record in zip(entries, records, strict=True):
            entry.stored(segment, record)
            self._written += record.length
        self._problem = ""

    def _segment(self, stream: str, at: Moment) -> Segment:
        """The file that is being written; another one when that is large or old."""
        segment = self._active.get(stream)
        old = abs(at.mono - self._opened.get(stream, 0)) > OLDEST_US and at.mono > 0
        if segment is not None and (old or segment.size > min(LARGEST_SEGMENT, self.limit // 8)):
            self._retire(stream)
            segment = None
        if segment is None:
            self._serial += 1
            segment = Segment.create(self._folder / name(self._serial, stream))
            self._active[stream], self._opened[stream] = segment, at.mono
            self._segments.append(segment)
        return segment

    def _retire(self, stream: str) -> None:
        """Nothing more is appended to the stream's file."""
        segment = self._active.pop(stream)
        segment.seal()
        if not segment.live:
            self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if self._try(segment.remove):
            self._segments.remove(segment)

    def _shorten(self, torn: list[tuple[Segment, int]]) -> None:
        for segment, size in torn:
            if segment in self._segments:
                self._try(partial(segment.shorten, size))

    def _remove_needless(self) -> None:
        for segment in [s for s in self._segments if not s.live and not s.open]:
            self._remove(segment)

    def _settle(self, first: int, last: int) -> None:
        start = bisect_left(self._entries, first, key=lambda entry: entry.last)
        end = start
        while end < len(self._entries) and self._entries[end].last <= last:
            self._entries[end].released()
            end += 1
        if end < len(self._entries) and self._entries[end].number <= last:
            self._entries[end].number = last + 1
        del self._entries[start:end]

    def _evict_one(self) -> bool:
        """Gives up the oldest file of pictures without movement, or else with; one that is being sent only at last."""
        needed = [s for s in self._segments if s.live and not s.path.stem.endswith(MARKS)]
        sending = {entry.segment for entry in self._entries if entry.sent}
        if not needed:
            return False
        victim = min(needed, key=lambda s: (s in sending, s.path.stem.endswith(MOVED), s.path.name))
        frames = [entry for entry in self._entries if entry.segment is victim]
        for stream in [stream for stream, segment in self._active.items() if segment is victim]:
            self._active.pop(stream).seal()
        self._give_up(frames, None)
        self._remove_needless()
        return True

    def _give_up(self, frames: list[Entry], reason: str | None) -> None:
        """For `reason`, or because the spool is full; what they leave is on disk before their bytes go."""
        for entry in frames:
            why = reason or (FULL if entry.moved else STILL)
            self._count(why, 1)
            entry.give_up(why)
        self._withholding = withdraw(self._entries)
        self._entries = merged(self._entries)
        self._append_marks([entry for entry in self._entries if entry.kind is Kind.DROPPED and entry.record is None])
        self._write_counters()

    def _hold_no_more_than(self, limit: int) -> None:
        held = sorted((e for e in self._entries if e.held is not None), key=lambda e: (e.moved, e.number))
        spare = sum(len(entry.held or b"") for entry in held) - limit
        doomed = []
        for entry in held:
            if spare <= 0:
                break
            spare -= len(entry.held or b"")
            doomed.append(entry)
        if doomed:
            self._give_up(doomed, None)

    def _thin(self) -> None:
        """Of too many marks the oldest go; what they said is then unknown."""
        marks = [entry for entry in self._entries if entry.kind is Kind.WATCHED]
        for entry in marks[: len(marks) - MOST_MARKS] if len(marks) > MOST_MARKS else []:
            entry.give_up(STILL)
        if len(marks) > MOST_MARKS:
            self._entries = merged(self._entries)
