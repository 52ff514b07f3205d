"""What is judged by the way, whatever is being played: the log, its credits, moments and shapes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Final

from node.wire import LIVE_US, Dropped, FromNode, Health, Hello, Moment, Pair, Picture, PictureKind, Pong, Watched

from .demands import Demand, Verdicts

JPEG: Final = b"\xff\xd8\xff"
LARGEST: Final = 4_000_000
BURST, A_SECOND = 50.0, 5.0
"""Messages besides entries that a hub takes (docs/node-protocol.md, Credits)."""
SLACK_US: Final = 2_000_000
"""How far a frame's age at its arrival may be from that at its sending."""


@dataclass
class Course:
    """One connection, as far as rules go. `credits` are those that the node has left."""

    welcomed: bool = False
    credits: int = 0
    last: int = 0
    allowance: float = BURST
    counted_at: float = field(default_factory=time.monotonic)
    pongs: dict[int, float] = field(default_factory=dict)
    clock: tuple[Moment, float] | None = None
    """What the last pong said, and when it came by our clock."""

    def now(self) -> float:
        """The node's monotonic clock, in microseconds, as far as it is known."""
        if self.clock is None:
            return 0.0
        said, when = self.clock
        return said.mono + (time.monotonic() - when) * 1e6


@dataclass
class Judge:
    """Knows every entry of the present epoch that ever came. `settled`: acknowledged, refused, or given up."""

    verdicts: Verdicts
    entries: dict[int, bytes] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    @property
    def highest(self) -> int:
        return max(self.entries, default=0)

    @property
    def unsettled(self) -> set[int]:
        return set(self.entries) - self.settled

    def new_epoch(self) -> None:
        self.entries, self.settled, self.refused = {}, set(), set()

    def heard(self, course: Course, message: FromNode | Picture) -> None:
        if isinstance(message, Picture):
            self._picture(course, message)
        if isinstance(message, Dropped | Watched) or (
            isinstance(message, Picture) and message.kind is PictureKind.FRAME
        ):
            self._entry(course, message)
            return
        if not isinstance(message, Picture | Pong):
            self._pace(course)
        if isinstance(message, Pong):
            self._pong(course, message)
        elif not course.welcomed and not isinstance(message, Picture | Health | Pair | Hello):
            self._too_early(type(message).__name__.lower())

    def _too_early(self, what: str) -> None:
        self.verdicts.broken(Demand.WAITING, f"`{what}` before `welcome`", "nothing but snapshots, `pong` and `health`")

    def _entry(self, course: Course, entry: Picture | Watched | Dropped) -> None:
        if not course.welcomed:
            self._too_early("frame" if isinstance(entry, Picture) else type(entry).__name__.lower())
            return
        course.credits -= 1
        if course.credits < 0:
            self.verdicts.broken(Demand.CREDITS, "an entry when no credit was left", "no entry without a credit")
        if isinstance(entry, Dropped):
            sound = 0 < entry.first <= entry.last and entry.count >= 0
            self.verdicts.judge(
                Demand.MESSAGES, sound, f"`dropped` from {entry.first} to {entry.last}", "first is at most last"
            )
            if sound:
                gone = range(entry.first, min(entry.last, entry.first + 100_000) + 1)
                self.entries.update(dict.fromkeys(gone, b"dropped"))
                self.settled.update(gone)
            return
        number = entry.number if isinstance(entry, Picture) else entry.seq
        self._number(course, number)
        self._content(number, entry)
        if isinstance(entry, Picture):
            self._age(course, entry)
        else:
            self.verdicts.kept(Demand.WATCHED)

    def _number(self, course: Course, number: int) -> None:
        missing = [n for n in range(course.last + 1, number) if n not in self.settled]
        if number <= course.last:
            self.verdicts.broken(
                Demand.NUMBERS, f"number {number} after {course.last}", "numbers that rise within a connection"
            )
        elif missing:
            self.verdicts.broken(Demand.NUMBERS, f"number {number}", f"number {missing[0]}, or a `dropped` for it")
        else:
            self.verdicts.kept(Demand.NUMBERS)
        if number in self.refused:
            self.verdicts.broken(Demand.REFUSED, f"number {number} again", "no number that was refused")
        course.last = max(course.last, number)

    def _content(self, number: int, entry: Picture | Watched) -> None:
        said = entry.jpeg if isinstance(entry, Picture) else repr(entry.lens).encode()
        at = f"{type(entry).__name__} {entry.at.mono} {entry.at.boot}".encode()
        found = hashlib.sha256(at + said).digest()
        known = self.entries.setdefault(number, found)
        self.verdicts.judge(
            Demand.ENTRIES, known == found, f"number {number} with another content", "the same entry, however often"
        )

    def _picture(self, course: Course, picture: Picture) -> None:
        what = "a frame" if picture.kind is PictureKind.FRAME else "a snapshot"
        if not picture.jpeg.startswith(JPEG):
            self.verdicts.broken(Demand.PICTURES, f"{what} that does not begin with FF D8 FF", "a JPEG")
        elif len(picture.jpeg) > LARGEST:
            self.verdicts.broken(
                Demand.PICTURES, f"{what} of {len(picture.jpeg)} bytes", f"at most `largest_picture`, {LARGEST}"
            )
        elif (
            course.clock is not None
            and picture.at.boot == course.clock[0].boot
            and course.now() - picture.at.mono < -SLACK_US
        ):
            self.verdicts.broken(Demand.PICTURES, f"{what} of a moment that has not come yet", "when it was captured")
        else:
            self.verdicts.kept(Demand.PICTURES)

    def _age(self, course: Course, frame: Picture) -> None:
        """A frame is as old at its arrival as at its sending, or a little older."""
        if course.clock is None:
            return
        same_boot = frame.at.boot == course.clock[0].boot
        age = course.now() - frame.at.mono if same_boot else 2 * LIVE_US
        if frame.live and age > LIVE_US + SLACK_US:
            self.verdicts.broken(
                Demand.LIVE, f"a frame {age / 1e6:.1f} s old with the flag", "the flag within 5 s of the capture"
            )
        elif not frame.live and age < LIVE_US - SLACK_US:
            self.verdicts.broken(
                Demand.LIVE, f"a frame {age / 1e6:.1f} s old without the flag", "the flag within 5 s of the capture"
            )
        else:
            self.verdicts.kept(Demand.LIVE)

    def _pong(self, course: Course, pong: Pong) -> None:
        now = time.monotonic()
        asked = course.pongs.pop(pong.ping, None)
        before = course.clock
        if asked is None:
            self.verdicts.broken(
                Demand.PONG, f"`pong` {pong.ping}, which was not asked for", "the number of the `ping`"
            )
        elif now - asked > 5:
            self.verdicts.broken(Demand.PONG, f"`pong` after {now - asked:.1f} s", "an answer at once")
        elif before is not None and before[0].boot == pong.now.boot and pong.now.mono < before[0].mono:
            self.verdicts.broken(Demand.PONG, "a monotonic clock that went back", "one that only grows within a boot")
        elif before is not None and before[0].boot != pong.now.boot:
            self.verdicts.broken(Demand.PONG, "another `boot` within a connection", "one for each start of the board")
        else:
            self.verdicts.kept(Demand.PONG)
        course.clock = pong.now, now

    def _pace(self, course: Course) -> None:
        now = time.monotonic()
        course.allowance = min(BURST, course.allowance + A_SECOND * (now - course.counted_at)) - 1
        course.counted_at = now
        self.verdicts.judge(
            Demand.RATE, course.allowance >= 0, "more than fifty at once", "five a second in the long run"
        )
