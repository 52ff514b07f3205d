"""One person: seen when, where and how regularly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from hub.attendance.records import Mark, Status
from hub.db import overview, overview_evidence, overview_people, people
from hub.db.overview_evidence import Seen

from .lectures import LectureTally, lectures_called
from .services import AtService, at_services
from .tally import percentage
from .view import View

MARKS = 12
"""How many of the last lectures are shown."""


@dataclass(frozen=True, slots=True)
class LectureMark:
    """`lecture` is None where an id tells nothing; its tally is of this mark."""

    mark: Mark
    lecture: LectureTally | None


@dataclass(frozen=True, slots=True)
class PersonPage:
    """`percentage` is of decided days, None before the first; `seen_by` counts observations by camera, most first.

    `days` are all local dates with marks, in order; `undecided` counts those neither present nor absent. `services`
    are what galleries elsewhere have of the person.
    """

    id: str
    name: str
    class_name: str
    recognisable: bool
    last_seen: Seen | None
    present: int
    absent: int
    undecided: int
    percentage: float | None
    seen_by: Mapping[str, int]
    days: tuple[tuple[date, Status], ...]
    marks: tuple[LectureMark, ...]
    services: tuple[AtService, ...]

    @property
    def frequent_camera(self) -> str | None:
        return next(iter(self.seen_by), None)


async def person_page(view: View, person_id: str) -> PersonPage | None:
    """None when nobody has the id."""
    async with view.database.read() as connection:
        person = await people.get(connection, person_id)
        if person is None:
            return None
        seen = await overview_evidence.last_seen(connection, [person_id])
        seen_by = await overview_evidence.seen_by(connection, person_id)
        by_camera = await overview_people.recognisable(connection, [person_id], view.now)
        days = await overview.days_of(connection, person_id)
        marks = await overview.latest_of(connection, person_id, MARKS)
        lectures = await lectures_called(view, connection, {mark.lecture: {mark.status: 1} for mark in marks})
    services = await at_services(view.database, view.settings, person_id, view.now)
    present = sum(status is Status.PRESENT for status in days.values())
    absent = sum(status is Status.ABSENT for status in days.values())
    return PersonPage(
        id=person_id,
        name=person.name,
        class_name=person.class_name or "",
        recognisable=person_id in by_camera,
        last_seen=seen.get(person_id),
        present=present,
        absent=absent,
        undecided=len(days) - present - absent,
        percentage=percentage(present, absent),
        seen_by=seen_by,
        days=tuple((date.fromisoformat(day), status) for day, status in days.items()),
        marks=tuple(LectureMark(mark, lectures.get(mark.lecture)) for mark in marks),
        services=services,
    )
