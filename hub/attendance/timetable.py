"""The timetable, and the lectures it makes of a date."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from .records import Lecture


@dataclass(frozen=True, slots=True)
class Weekly:
    """An entry of the timetable: `days` are 0 (Monday) to 6; `start` and `end` are the school's local time.

    An end before the start is on the next day. Raises ValueError when the two are equal.
    """

    class_name: str
    lecture: str
    room: str
    days: frozenset[int]
    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError(f"{self.lecture} of {self.class_name} starts and ends at {self.start:%H:%M}")

    def on(self, day: date, zone: ZoneInfo) -> list[Lecture]:
        return [_lecture(day, self, zone)] if day.weekday() in self.days else []


@dataclass(frozen=True, slots=True)
class Cycle:
    """An entry whose lecture comes again all day: every `every`, for `length`, from `start` local time to midnight.

    Between the first and midnight time simply passes, so that lectures never overlap where the clocks change; a
    day of 23 hours has fewer. The day's last ends before the next day's first. Raises ValueError unless
    0 < `length` ≤ `every` ≤ one day, and both are whole seconds.
    """

    class_name: str
    lecture: str
    room: str
    days: frozenset[int]
    every: timedelta
    length: timedelta
    start: time = time(0)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.length <= self.every <= timedelta(days=1):
            raise ValueError(f"{self.lecture} of {self.class_name} lasts {self.length} and comes every {self.every}")
        if self.length % timedelta(seconds=1) or self.every % timedelta(seconds=1):
            raise ValueError(f"{self.lecture} of {self.class_name} is not timed in whole seconds")

    def on(self, day: date, zone: ZoneInfo) -> list[Lecture]:
        if day.weekday() not in self.days:
            return []
        tomorrow = day + timedelta(days=1)
        midnight, first = _utc(tomorrow, time(0), zone), _utc(tomorrow, self.start, zone)
        start = _utc(day, self.start, zone)
        found = []
        while start < midnight and start + self.length <= first:
            found.append(_held(day, self, start, start + self.length, start.astimezone(zone)))
            start += self.every
        return found


Entry: TypeAlias = Weekly | Cycle


def lectures_on(day: date, entries: Iterable[Entry], zone: ZoneInfo) -> list[Lecture]:
    """The lectures that start on the local date `day`, in order of time.

    Any number may share a room and an hour. Entries alike in class, lecture, room and start are one lecture,
    the longest of them.

    Where the clocks change, RFC 5545 (3.3.5) is followed: a local time that comes twice is the first of the
    two; one that never comes is read with the offset from before the change (02:30 becomes 03:30). Should
    that leave no time between start and end, the lecture keeps the length the timetable gives it.
    """
    found: dict[str, Lecture] = {}
    for entry in entries:
        for lecture in entry.on(day, zone):
            known = found.get(lecture.id)
            if known is None or lecture.end > known.end:
                found[lecture.id] = lecture
    return sorted(found.values())


def _lecture(day: date, entry: Weekly, zone: ZoneInfo) -> Lecture:
    ends_on = day if entry.end > entry.start else day + timedelta(days=1)
    start, end = _utc(day, entry.start, zone), _utc(ends_on, entry.end, zone)
    if end <= start:
        end = start + (datetime.combine(ends_on, entry.end) - datetime.combine(day, entry.start))
    return _held(day, entry, start, end, entry.start)


def _utc(day: date, local: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, local, tzinfo=zone).replace(fold=0).astimezone(UTC)


def _held(day: date, entry: Entry, start: datetime, end: datetime, named: time | datetime) -> Lecture:
    """The lecture from `start` to `end` UTC; `named` is when it starts by the school's clock, for its id."""
    return Lecture(
        start=start,
        end=end,
        id=_id(day, entry, named),
        date=day.isoformat(),
        name=entry.lecture,
        class_name=entry.class_name,
        room=entry.room,
    )


def _id(day: date, entry: Entry, named: time | datetime) -> str:
    """Readable, safe in a URL and a file name; the digest tells apart what the readable part folds together."""
    what = [day.isoformat(), named.isoformat(), entry.room, entry.class_name, entry.lecture]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]
    words = re.findall(r"[a-z0-9]+", f"{named:%H%M} {entry.room} {entry.class_name}".lower())
    return "-".join([day.isoformat(), *words, digest])
