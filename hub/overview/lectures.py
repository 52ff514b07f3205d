"""A lecture with its counts: the timetable's, or one that was in it once and has marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum

from hub.attendance.records import Lecture, Status
from hub.db import attendance, overview
from hub.db.overview import Connection

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
    """`planned` is False for a lecture that is no longer in the timetable.

    `end` is None, and the name made of the id, for one of before the hub kept lectures beside their marks.
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


def planned_on(view: View, day: date) -> list[LectureTally]:
    """What the timetable gives a local date, without counts, by time, room and class."""
    return sorted((_held(view, lecture, Tally()) for lecture in view.timetable(day)), key=_place)


async def lectures_on(view: View, connection: Connection, day: date) -> list[LectureTally]:
    """Every lecture of the local date, by time, room and class; of a day that is over those that it was drawn with."""
    tallies = await overview.tallies(connection, day.isoformat())
    planned: dict[str, Mapping[Status, int]] = {}
    if not tallies or day >= view.today:
        planned = {lecture.id: {} for lecture in view.timetable(day)}
    return sorted((await lectures_called(view, connection, planned | tallies)).values(), key=_place)


async def lecture_called(
    view: View, connection: Connection, lecture_id: str, counts: Mapping[Status, int]
) -> LectureTally | None:
    """The lecture with these counts of its marks; None when neither the timetable nor a mark knows it."""
    return (await lectures_called(view, connection, {lecture_id: counts})).get(lecture_id)


async def lectures_called(
    view: View, connection: Connection, counts: Mapping[str, Mapping[Status, int]]
) -> dict[str, LectureTally]:
    """The same for several at once, by id; those that nobody knows are left out."""
    days = {day for lecture_id in counts if (day := date_of(lecture_id)) is not None}
    planned = {lecture.id: lecture for day in days for lecture in view.timetable(day)}
    past = await attendance.lectures_called(connection, [one for one in counts if counts[one] and one not in planned])
    found: dict[str, LectureTally | None] = {}
    for lecture_id, statuses in counts.items():
        tally = Tally.of(statuses)
        if lecture_id in planned:
            found[lecture_id] = _held(view, planned[lecture_id], tally)
        elif lecture_id in past:
            found[lecture_id] = _held(view, past[lecture_id], tally, planned=False)
        elif statuses:
            found[lecture_id] = _named_by_id(view, lecture_id, tally)
    return {lecture_id: lecture for lecture_id, lecture in found.items() if lecture is not None}


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


def _held(view: View, lecture: Lecture, tally: Tally, *, planned: bool = True) -> LectureTally:
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
        planned,
    )


def _named_by_id(view: View, lecture_id: str, tally: Tally) -> LectureTally | None:
    match, day = _ID.fullmatch(lecture_id), date_of(lecture_id)
    if match is None or day is None or int(match[2]) > 23 or int(match[3]) > 59:
        return None
    local = datetime.combine(day, time(int(match[2]), int(match[3])), tzinfo=view.zone)
    start = local.astimezone(UTC)
    phase = Phase.UPCOMING if view.now < start else Phase.OVER
    name = (match[4] or "").replace("-", " ")
    return LectureTally(lecture_id, day, name, "", "", start, None, phase, tally, planned=False)


def _place(lecture: LectureTally) -> tuple[object, ...]:
    return lecture.start, natural(lecture.room), natural(lecture.class_name), lecture.id
