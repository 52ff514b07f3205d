"""A small school: one weekday's timetable, its people, and short ways to write facts down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.attendance.records import Observation, Rules
from hub.attendance.register import Register, register
from hub.attendance.roster import Person
from hub.attendance.timetable import Weekly, lectures_on

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 23)
DAILY = frozenset(range(7))
MATHS = Weekly("10A", "Mathematics", "101", DAILY, time(9), time(9, 50))
PHYSICS = Weekly("10A", "Physics", "101", DAILY, time(9, 50), time(10, 40))
ART = Weekly("10B", "Art", "102", DAILY, time(9), time(9, 50))
ROOMS = {"door-101": "101", "back-101": "101", "door-102": "102"}
PEOPLE = (Person("ada", "10A"), Person("bob", "10A"), Person("cem", "10B"), Person("dee", "10A", recognisable=False))
MUCH_LATER = datetime(2027, 1, 1, tzinfo=UTC)


def at(clock: str, day: date = MONDAY, zone: ZoneInfo = BERLIN) -> datetime:
    """UTC of the school's local `clock` ("09:00" or "09:00:05")."""
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)


def saw(
    person: str,
    clock: str,
    camera: str = "door-101",
    *,
    score: float = 0.71,
    alone: bool = True,
    crop: str | None = None,
    day: date = MONDAY,
) -> Observation:
    when = at(clock, day)
    return Observation(when, camera, person, f"{camera}/{when.isoformat()}/{person}", score, alone, crop)


def every(start: str, end: str, step: timedelta = timedelta(seconds=30), day: date = MONDAY) -> list[datetime]:
    """Signals from `start` to `end`, both included."""
    first, last = at(start, day), at(end, day)
    return [first + n * step for n in range((last - first) // step + 1)]


def taken(
    observations: Iterable[Observation] = (),
    signals: Mapping[str, Iterable[datetime]] | None = None,
    *,
    weekly: Iterable[Weekly] = (MATHS, PHYSICS, ART),
    watermarks: Mapping[str, datetime] | None = None,
    rules: Rules | None = None,
    as_of: datetime = MUCH_LATER,
    people: Iterable[Person] = PEOPLE,
    rooms: Mapping[str, str] | None = None,
) -> Register:
    """Monday's register; unless told otherwise every camera watched from 08:00 to 12:00."""
    rooms = ROOMS if rooms is None else rooms
    if signals is None:
        signals = {camera: every("08:00", "12:00") for camera in rooms}
    if watermarks is None:
        watermarks = {camera: max(times) for camera, times in signals.items() if times}
    held = lectures_on(MONDAY, weekly, BERLIN)
    return register(MONDAY, held, BERLIN, people, observations, signals, watermarks, rooms, rules or Rules(), as_of)
