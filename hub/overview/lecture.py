"""One lecture's register, and what a single mark rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.attendance.records import Status
from hub.db import facts, ledger, overview, overview_evidence
from hub.db.overview import Connection, Named
from hub.db.overview_evidence import Observed

from .beginning import began
from .lectures import LectureTally, date_of, lecture_called
from .order import natural
from .timeline import Timeline, timeline
from .view import View

PAGE = 200
OBSERVATIONS = 2000
"""How many observations behind one mark are read."""
ORDER = tuple(Status)
"""Who came first, then who did not, then what is not known."""


@dataclass(frozen=True, slots=True)
class LectureRegister:
    """Page `page` of `pages` of the marks, by status and name; only those of status `only` where that is given.

    `timeline` is None before the start and without cameras. `began` is when the hub's cameras first saw anything, if
    that was later on the same day.
    """

    lecture: LectureTally
    cameras: tuple[str, ...]
    timeline: Timeline | None
    began: datetime | None
    only: Status | None
    page: int
    pages: int
    rows: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a mark says what it says. `observations` are by time, every one of the person at the room's cameras."""

    lecture: LectureTally
    named: Named
    cameras: tuple[str, ...]
    timeline: Timeline | None
    enough_coverage: float
    observations: tuple[Observed, ...]

    @property
    def best(self) -> Observed | None:
        """The one that shows it best: with a picture, and of those with the highest score."""
        return max(self.observations, key=lambda seen: (seen.crop is not None, seen.score), default=None)


async def lecture_register(
    view: View,
    lecture_id: str,
    only: Status | None = None,
    page: int = 1,
) -> LectureRegister | None:
    """None when there is no such lecture; `page` counts from 1, one past the end is the last."""
    day = date_of(lecture_id)
    if day is None:
        return None
    async with view.database.read() as connection:
        roll = await overview.roll(connection, day.isoformat(), lecture_id)
        counts: dict[Status, int] = {}
        for named in roll:
            counts[named.mark.status] = counts.get(named.mark.status, 0) + 1
        lecture = await lecture_called(view, connection, lecture_id, counts)
        if lecture is None:
            return None
        cameras = view.cameras_in(lecture.room)
        watched = await _timeline(view, connection, lecture, cameras)
        first = await began(view, connection, day) if watched and not watched.share else None
    shown = [named for named in roll if only in (None, named.mark.status)]
    shown.sort(key=lambda named: (ORDER.index(named.mark.status), natural(named.name), named.mark.person))
    pages = max(1, -(-len(shown) // PAGE))
    page = min(max(page, 1), pages)
    rows = tuple(shown[(page - 1) * PAGE : page * PAGE])
    first = first if first and lecture.end and lecture.end <= first else None
    return LectureRegister(lecture, tuple(cameras), watched, first, only, page, pages, rows)


async def evidence(view: View, lecture_id: str, person: str) -> Evidence | None:
    """None when the person has no mark in such a lecture."""
    async with view.database.read() as connection:
        named = await overview.one(connection, lecture_id, person)
        if named is None:
            return None
        lecture = await lecture_called(view, connection, lecture_id, {named.mark.status: 1})
        if lecture is None:
            return None
        cameras = view.cameras_in(lecture.room) or list(named.mark.cameras)
        watched = await _timeline(view, connection, lecture, cameras)
        early = lecture.start - view.settings.rules.early
        end = lecture.end or max(named.mark.last or early, early)
        seen = await overview_evidence.of_person(connection, person, cameras, early, end, OBSERVATIONS)
    return Evidence(
        lecture,
        named,
        tuple(cameras),
        watched,
        view.settings.rules.enough_coverage,
        tuple(seen),
    )


async def _timeline(
    view: View, connection: Connection, lecture: LectureTally, cameras: Sequence[str]
) -> Timeline | None:
    """None of a day whose facts are gone: that none are left does not mean that nobody watched."""
    if lecture.end is None or not cameras or await facts.is_frozen(connection, lecture.date):
        return None
    rules = view.settings.rules
    reach = lecture.start - rules.gap, lecture.end + rules.gap
    signals = await ledger.signals(connection, cameras, *reach)
    unseen = await ledger.unseen(connection, cameras, *reach)
    return timeline(lecture.start, lecture.end, view.now, signals, rules, unseen)
