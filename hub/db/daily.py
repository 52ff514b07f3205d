"""How many people were present, absent and so on on each date, kept beside the marks that it is counted from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date as date_type

from sqlalchemy import ColumnElement, bindparam, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Mark, Status

from .tables import daily, marks

CAME = (Status.PRESENT, Status.LATE, Status.LEFT_EARLY)
DAY = (Status.NOT_OBSERVED, Status.EXCUSED, Status.ABSENT, Status.OPEN, Status.PRESENT)
"""What a day may amount to for one person, in rising order of what prevails.

Who came to any lecture was present that day. Otherwise the day is open while a lecture is; absent when a lecture
was missed for certain; then excused; and not observed when no camera could say.
"""
RANK = {status: len(DAY) - 1 if status in CAME else DAY.index(status) for status in Status}
"""Where in DAY each status of a mark stands."""


def day_rank() -> ColumnElement[int]:
    """What one person's marks of one day amount to, as an index of DAY."""
    return func.max(case(RANK, value=marks.c.status))


async def keep(connection: AsyncConnection, date: str, those: Iterable[Mark]) -> None:
    """Makes these the marks that `date` is counted from."""
    ranks: dict[str, int] = {}
    for mark in those:
        ranks[mark.person] = max(ranks.get(mark.person, 0), RANK[mark.status])
    counts = Counter(DAY[rank] for rank in ranks.values())
    day = date_type.fromisoformat(date)
    if await between(connection, day, day) != ({date: counts} if counts else {}):
        await connection.execute(delete(daily).where(daily.c.date == date))
        rows = [{"date": date, "status": status, "people": count} for status, count in counts.items()]
        if rows:
            await connection.execute(daily.insert(), rows)


async def without(connection: AsyncConnection, person: str) -> None:
    """Counts a person no more, whose marks are about to go."""
    days = select(marks.c.date, day_rank()).where(marks.c.person == person).group_by(marks.c.date)
    gone = [{"day": date, "was": DAY[rank]} for date, rank in await connection.execute(days)]
    if gone:
        one = (daily.c.date == bindparam("day"), daily.c.status == bindparam("was"))
        await connection.execute(update(daily).where(*one).values(people=daily.c.people - 1), gone)
        await connection.execute(delete(daily).where(daily.c.people == 0))


async def between(connection: AsyncConnection, first: date_type, last: date_type) -> dict[str, dict[Status, int]]:
    """How many people were present, absent and so on, on each local date from `first` to `last` that has marks."""
    query = select(daily).where(daily.c.date.between(first.isoformat(), last.isoformat()))
    found: dict[str, dict[Status, int]] = {}
    for date, status, people in await connection.execute(query):
        found.setdefault(date, {})[Status(status)] = people
    return found
