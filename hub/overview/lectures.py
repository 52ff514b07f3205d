"""A lecture with its counts: the timetable's, or one that only stored marks still tell of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum

from hub.attendance.records import Lecture, Status

from .order import natural
from .tally import Tally
from .view import View

_ID = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)(\d\d)(?:-(.*))?-[0-9a-f]{8}")

YEARS = range(1970, 2200)
"""What addresses may ask for: beyond them lie dates that time zones cannot be computed for."""


class Phase(StrEnum):
    UPCOMING = "upcoming"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class LectureTally:
    """`planned` is False for a lecture that is no longer in the timetable: its end is unknown, its name made of its id.

    `date` is the school's local date; `start` and `end` are UTC.
    """

    id: str
    date: date
    name: str
    class_name: str
    room: str
    start: datetime
    end: datetime | None
    phase: Phase
    tally: Tally
    planned: bool = True


def lectures_of(view: View, day: date, tallies: Mapping[str, Mapping[Status, int]]) -> list[LectureTally]:
    """Every lecture of the local date, by time, room and class."""
    planned = {lecture.id: lecture for lecture in view.timetable(day)}
    found = [_planned(view, lecture, Tally.of(tallies.get(lecture.id, {}))) for lecture in planned.values()]
    found += [
        gone
        for lecture_id, counts in tallies.items()
        if lecture_id not in planned and (gone := _gone(view, lecture_id, Tally.of(counts))) is not None
    ]
    return sorted(found, key=lambda one: (one.start, natural(one.room), natural(one.class_name), one.id))


def lecture_of(view: View, lecture_id: str, counts: Mapping[Status, int]) -> LectureTally | None:
    """The lecture called `lecture_id`; None when neither the timetable nor a mark knows it."""
    day = date_of(lecture_id)
    if day is None:
        return None
    for lecture in view.timetable(day):
        if lecture.id == lecture_id:
            return _planned(view, lecture, Tally.of(counts))
    return _gone(view, lecture_id, Tally.of(counts)) if counts else None


def date_of(lecture_id: str) -> date | None:
    """The local date in a lecture's id; None for what is no such id."""
    match = _ID.fullmatch(lecture_id)
    return date_in(match[1]) if match else None


def date_in(text: str) -> date | None:
    """A date of ours in ISO form; None for anything else, and for years no school has marks of."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def _planned(view: View, lecture: Lecture, tally: Tally) -> LectureTally:
    phase = Phase.UPCOMING if view.now < lecture.start else Phase.RUNNING if view.now < lecture.end else Phase.OVER
    return LectureTally(
        lecture.id,
        date.fromisoformat(lecture.date),
        lecture.name,
        lecture.class_name,
        lecture.room,
        lecture.start,
        lecture.end,
        phase,
        tally,
    )


def _gone(view: View, lecture_id: str, tally: Tally) -> LectureTally | None:
    match, day = _ID.fullmatch(lecture_id), date_of(lecture_id)
    if match is None or day is None or int(match[2]) > 23 or int(match[3]) > 59:
        return None
    local = datetime.combine(day, time(int(match[2]), int(match[3])), tzinfo=view.zone)
    start = local.astimezone(UTC)
    phase = Phase.UPCOMING if view.now < start else Phase.OVER
    return LectureTally(
        lecture_id, day, (match[4] or "").replace("-", " "), "", "", start, None, phase, tally, planned=False
    )
