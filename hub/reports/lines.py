"""The register as flat lines: what every format prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.attendance.records import Lecture, Mark
from hub.attendance.register import Register
from hub.overview.order import natural


@dataclass(frozen=True, slots=True)
class Line:
    """One person in one lecture. `start` and `end` are the school's local time, HH:MM."""

    date: str
    start: str
    end: str
    lecture: str
    class_name: str
    room: str
    person: str
    name: str
    status: str
    minutes: int | None
    why: str


HEADINGS = ("date", "start", "end", "lecture", "class", "room", "person", "name", "status", "minutes", "why")


def cells(line: Line) -> tuple[str | int | None, ...]:
    """The line in the order of HEADINGS."""
    return (
        line.date,
        line.start,
        line.end,
        line.lecture,
        line.class_name,
        line.room,
        line.person,
        line.name,
        line.status,
        line.minutes,
        line.why,
    )


def lines(register: Register, names: Mapping[str, str], zone: ZoneInfo, lecture: str | None = None) -> list[Line]:
    """The register's lines by lecture, then name. `lecture` keeps the lectures whose name or id it is."""
    marks: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in register.marks:
        marks[mark.lecture].append(mark)
    return [
        _line(held, mark, names.get(mark.person, mark.person), zone)
        for held in sorted(register.lectures)
        if lecture in (None, held.name, held.id)
        for mark in sorted(marks[held.id], key=lambda mark: (natural(names.get(mark.person, mark.person)), mark.person))
    ]


def _line(held: Lecture, mark: Mark, name: str, zone: ZoneInfo) -> Line:
    return Line(
        held.date,
        f"{held.start.astimezone(zone):%H:%M}",
        f"{held.end.astimezone(zone):%H:%M}",
        held.name,
        held.class_name,
        held.room,
        mark.person,
        name,
        str(mark.status),
        mark.minutes,
        mark.why,
    )
