"""The weekly timetable, and the lectures it makes of a date."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
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


def lectures_on(day: date, weekly: Iterable[Weekly], zone: ZoneInfo) -> list[Lecture]:
    """The lectures that start on the local date `day`, in order of time.

    Any number may share a room and an hour. Entries alike in class, lecture, room and start are one lecture,
    the longest of them.

    Where the clocks change, RFC 5545 (3.3.5) is followed: a local time that comes twice is the first of the
    two; one that never comes is read with the offset from before the change (02:30 becomes 03:30). Should
    that leave no time between start and end, the lecture keeps the length the timetable gives it.
    """
    found: dict[str, Lecture] = {}
    for entry in weekly:
        if day.weekday() not in entry.days:
            continue
        lecture = _lecture(day, entry, zone)
        known = found.get(lecture.id)
        if known is None or lecture.end > known.end:
            found[lecture.id] = lecture
    return sorted(found.values())


def _lecture(day: date, entry: Weekly, zone: ZoneInfo) -> Lecture:
    starts = datetime.combine(day, entry.start)
    ends = datetime.combine(day if entry.end > entry.start else day + timedelta(days=1), entry.end)
    start, end = (moment.replace(tzinfo=zone, fold=0).astimezone(UTC) for moment in (starts, ends))
    if end <= start:
        end = start + (ends - starts)
    return Lecture(
        start=start,
        end=end,
        id=_id(day, entry),
        date=day.isoformat(),
        name=entry.lecture,
        class_name=entry.class_name,
        room=entry.room,
    )


def _id(day: date, entry: Weekly) -> str:
    """Readable, safe in a URL and a file name; the digest tells apart what the readable part folds together."""
    what = [day.isoformat(), entry.start.isoformat(), entry.room, entry.class_name, entry.lecture]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]
    words = re.findall(r"[a-z0-9]+", f"{entry.start:%H%M} {entry.room} {entry.class_name}".lower())
    return "-".join([day.isoformat(), *words, digest])
