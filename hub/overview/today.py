"""Today: what runs now, what comes, what was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from hub.db import overview, overview_people
from hub.db.overview import Named

from .beginning import began
from .lectures import LectureTally, Phase, lectures_on, planned_on
from .view import View

ARRIVALS = 8
"""How many of those who came last are shown with a running lecture."""
LOOK_AHEAD = 14
"""Days in which the next lecture is looked for when there is none today."""


@dataclass(frozen=True, slots=True)
class Running:
    """A lecture that runs now, and those who came last, latest first."""

    lecture: LectureTally
    arrivals: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Today:
    """`upcoming` is soonest first, `over` latest first; `next` is the next lecture of another day, if none is left.

    `silent` counts those that are over of which no camera could say anything; they are not in `over`. `began` is when
    the hub's cameras first saw anything, if that was today.
    """

    date: date
    running: tuple[Running, ...]
    upcoming: tuple[LectureTally, ...]
    over: tuple[LectureTally, ...]
    silent: int
    began: datetime | None
    next: LectureTally | None
    any_cameras: bool
    any_people: bool
    any_timetable: bool


async def today(view: View) -> Today:
    day = view.today
    async with view.database.read() as connection:
        lectures = await lectures_on(view, connection, day)
        yesterday = day - timedelta(days=1)
        if any(one.phase is Phase.RUNNING for one in planned_on(view, yesterday)):  # it may run past midnight
            before = await lectures_on(view, connection, yesterday)
            lectures = [*(one for one in before if one.phase is Phase.RUNNING), *lectures]
        runs = [one for one in lectures if one.phase is Phase.RUNNING]
        arrived: dict[str, list[Named]] = {}
        for date_ in sorted({one.date for one in runs}):
            ids = [one.id for one in runs if one.date == date_]
            arrived |= await overview.arrivals(connection, date_.isoformat(), ids, ARRIVALS)
        any_people = await overview_people.anybody(connection)
        first = await began(view, connection, day)
    upcoming = tuple(one for one in lectures if one.phase is Phase.UPCOMING)
    over = [one for one in lectures if one.phase is Phase.OVER]
    told = [one for one in over if not one.tally.silent]
    return Today(
        date=day,
        running=tuple(Running(one, tuple(arrived.get(one.id, ()))) for one in runs),
        upcoming=upcoming,
        over=tuple(sorted(told, key=lambda one: one.end or one.start, reverse=True)),
        silent=len(over) - len(told),
        began=first,
        next=None if runs or upcoming else _next(view),
        any_cameras=bool(view.settings.cameras),
        any_people=any_people,
        any_timetable=bool(view.settings.timetable),
    )


def _next(view: View) -> LectureTally | None:
    days = (view.today + timedelta(days=ahead) for ahead in range(1, LOOK_AHEAD + 1))
    return next((lectures[0] for day in days if (lectures := planned_on(view, day))), None)
