"""Cross-field rules of the timetable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from config import Document, Keys, Problem, Severity, nearest, problem_at
from hub.attendance.timetable import Weekly

LONGEST_NIGHT = 8 * 60
"""Minutes a lecture that ends after midnight may last; longer is taken for a slip."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A timetable entry without problems of its own, and where it stands."""

    weekly: Weekly
    keys: Keys
    line: int

    @classmethod
    def of(cls, values: Mapping[str, Any], document: Document, keys: Keys) -> Entry:
        """Raises ValueError when it starts and ends at once."""
        named = {key: value for key, value in values.items() if key != "class"}
        return cls(Weekly(class_name=values["class"], **named), keys, document.place(keys).line)

    @property
    def minutes(self) -> tuple[int, int]:
        start, end = _minutes(self.weekly.start), _minutes(self.weekly.end)
        return start, end if end > start else end + 24 * 60


def order(document: Document, keys: Keys, start: time, end: time) -> Iterator[Problem]:
    """A lecture that ends before it starts, unless it plausibly runs past midnight."""
    length = (_minutes(end) - _minutes(start)) % (24 * 60)
    if length == 0:
        yield from problem_at(document, (*keys, "end"), "the lecture ends when it starts", "check start and end")
    elif end < start and length > LONGEST_NIGHT:
        yield from problem_at(
            document,
            (*keys, "end"),
            f"the lecture ends at {end:%H:%M}, before it starts at {start:%H:%M}",
            f"check start and end (past midnight it may last {LONGEST_NIGHT // 60} hours)",
        )


def overlaps(document: Document, entries: Iterable[Entry]) -> Iterator[Problem]:
    """A class that has two lectures at once: an error in one room; a warning in two, where it may be split."""
    groups: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        for day in entry.weekly.days:
            groups[entry.weekly.class_name, day].append(entry)
    for group in groups.values():
        running: Entry | None = None
        for entry in sorted(group, key=lambda entry: (entry.minutes, entry.line)):
            if running is not None and entry.minutes[0] < running.minutes[1]:
                yield from _overlap(document, *sorted((running, entry), key=lambda entry: entry.keys))
            if running is None or entry.minutes[1] > running.minutes[1]:
                running = entry


def _overlap(document: Document, first: Entry, second: Entry) -> Iterator[Problem]:
    one, two = first.weekly, second.weekly
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


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute
