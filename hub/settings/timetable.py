"""Cross-field rules of the timetable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from config import Document, Keys, Problem, Severity, nearest, problem_at
from hub.attendance.timetable import Cycle, Weekly
from hub.plugin.validators import format_duration

DAY = 24 * 3600
SECOND = timedelta(seconds=1)
QUICKEST = timedelta(seconds=10)
LONGEST_NIGHT = 8 * 3600
"""Seconds a lecture that ends after midnight may last; longer is taken for a slip."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A timetable entry without problems of its own, and where it stands."""

    held: Weekly | Cycle
    keys: Keys
    line: int

    @classmethod
    def of(cls, values: Mapping[str, Any], document: Document, keys: Keys) -> Entry:
        """Raises ValueError when its times make no lecture."""
        named = {key: value for key, value in values.items() if key != "class"}
        kind = Cycle if "every" in named else Weekly
        return cls(kind(class_name=values["class"], **named), keys, document.place(keys).line)

    def spans(self) -> list[tuple[int, int]]:
        """When its lectures start and end on a day it is held, in seconds of a day without a change of clocks."""
        held = self.held
        start = _seconds(held.start)
        if isinstance(held, Cycle):
            every, length = int(held.every.total_seconds()), int(held.length.total_seconds())
            return [(moment, moment + length) for moment in range(start, DAY, every)]
        end = _seconds(held.end)
        return [(start, end if end > start else end + DAY)]


def order(document: Document, keys: Keys, start: time, end: time) -> Iterator[Problem]:
    """A lecture that ends before it starts, unless it plausibly runs past midnight."""
    length = (_seconds(end) - _seconds(start)) % DAY
    if length == 0:
        yield from problem_at(document, (*keys, "end"), "the lecture ends when it starts", "check start and end")
    elif end < start and length > LONGEST_NIGHT:
        yield from problem_at(
            document,
            (*keys, "end"),
            f"the lecture ends at {end:%H:%M}, before it starts at {start:%H:%M}",
            f"check start and end (past midnight it may last {LONGEST_NIGHT // 3600} hours)",
        )


def rhythm(document: Document, keys: Keys, values: Mapping[str, Any]) -> Iterator[Problem]:
    """A lecture that comes again before it is over, or not within a day."""
    every, length = values["every"], values["length"]
    if not length or length % SECOND:
        yield from problem_at(document, (*keys, "length"), "a lecture without whole seconds", "write 1 s or more")
    elif every % SECOND or not QUICKEST <= every <= timedelta(days=1):
        hint = f"write whole seconds, from {format_duration(QUICKEST)} to 1 day"
        yield from problem_at(document, (*keys, "every"), "not a rhythm of a day", hint)
    elif length > every:
        message = f"the lecture lasts {format_duration(length)} and comes again every {format_duration(every)}"
        yield from problem_at(document, (*keys, "length"), message, "make it as long as `every`, or shorter")


def overlaps(document: Document, entries: Iterable[Entry]) -> Iterator[Problem]:
    """A class that has two lectures at once: an error in one room; a warning in two, where it may be split."""
    groups: dict[tuple[str, int], list[tuple[int, int, Entry]]] = defaultdict(list)
    for entry in entries:
        for day in entry.held.days:
            groups[entry.held.class_name, day] += [(*span, entry) for span in entry.spans()]
    for group in groups.values():
        running: tuple[int, Entry] | None = None
        for start, end, entry in sorted(group, key=lambda lecture: (*lecture[:2], lecture[2].line)):
            if running is not None and start < running[0]:
                yield from _overlap(document, *sorted((running[1], entry), key=lambda entry: entry.keys))
            if running is None or end > running[0]:
                running = end, entry


def _overlap(document: Document, first: Entry, second: Entry) -> Iterator[Problem]:
    one, two = first.held, second.held
    where = f"in line {first.line}"
    if (one.lecture, one.start, one.room) == (two.lecture, two.start, two.room):
        message = f"{two.lecture!r} of {two.class_name!r} at {two.start:%H:%M} is already {where} for a day of these"
        yield from problem_at(document, second.keys, message, "remove one of the two")
    elif one.room == two.room:
        message = f"{two.lecture!r} overlaps with {one.lecture!r} of the same class and room {where}"
        yield from problem_at(document, second.keys, message, "change a time or a day")
    else:
        message = (
            f"class {two.class_name!r} is in room {two.room!r} and, {where}, in room {one.room!r} at the same time"
        )
        hint = "whoever is in one will be absent in the other; split the class into two"
        yield from problem_at(document, second.keys, message, hint, Severity.WARNING)


def unwatched(document: Document, rooms: Iterable[tuple[str, Keys]], watched: Collection[str]) -> Iterator[Problem]:
    """Rooms of the timetable without a camera, each once."""
    seen: set[str] = set()
    for room, keys in rooms:
        if room in watched or room in seen:
            continue
        seen.add(room)
        near = nearest(room, watched)
        hint = f"did you mean {near!r}?" if near else "its lectures will be marked not observed; add a camera"
        yield from problem_at(document, keys, f"no camera watches room {room!r}", hint, Severity.WARNING)


def _seconds(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60
