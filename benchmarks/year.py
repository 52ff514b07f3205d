"""A school of 2,000 people with a year of marks, written into a database of either kind as it comes to be: day by day.

Rows go in past the hub's own functions, which would take an hour: by the driver's quickest way for the last days, which
have facts; every earlier day has the marks of the first of these, copied in the database.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import Table, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Lecture, Status
from hub.attendance.timetable import lectures_on
from hub.db import people, school
from hub.db.engine import Database
from hub.db.people import Person
from hub.db.tables import (
    consent_events,
    crops,
    daily,
    frames,
    lectures,
    marks,
    observations,
    template_spans,
    templates,
)
from hub.recognition.consent import Consent
from hub.runtime.catalog import Catalog
from hub.settings import Settings, read_settings

CLASSES = 80
"""Each has a room with a camera of its own."""
PUPILS = 25
"""Of each class."""
LESSONS = 6
LENGTH = 45
"""Minutes."""
DAYS = 200
FACTS = 2
"""Of the last so many days there are a frame a minute and room, and an observation with a crop a pupil and lesson."""
TODAY = date(2026, 6, 26)
NOW = datetime.combine(TODAY, time(14), tzinfo=UTC)
ENROLLED = datetime(2025, 8, 1, tzinfo=UTC)
STATUSES = (*[Status.PRESENT] * 16, Status.LATE, Status.LEFT_EARLY, Status.ABSENT, Status.NOT_OBSERVED)

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Year:
    """What the database holds; `days` are in order, and the last is today."""

    settings: Settings
    persons: Sequence[str]
    days: Sequence[date]


def settings_in(folder: Path) -> Settings:
    """The school's hub.yaml, written into `folder` and read."""
    (folder / "incoming").mkdir()
    lines = ["hub: {name: Bench, time_zone: UTC}", "recognizer: {platform: onnx_local}"]
    lines += ["storage: {platform: local_disk}", "cameras:"]
    for room in range(CLASSES):
        lines.append(f'  - {{platform: folder, id: camera-{room}, room: "{room}", path: incoming}}')
    lines += ["attendance:", "  timetable:"]
    for room in range(CLASSES):
        for lesson in range(LESSONS):
            entry = f'class: "{_class(room)}", lecture: Subject {lesson}, room: "{room}", days: mon-fri'
            hour = f"{8 + lesson:02}"
            lines.append(f'    - {{{entry}, start: "{hour}:00", end: "{hour}:{LENGTH}"}}')
    (folder / "hub.yaml").write_text("\n".join(lines), "utf-8")
    return read_settings(folder / "hub.yaml", Catalog())


def _class(room: int) -> str:
    return f"{5 + room // 10}{'ABCDEFGHIJ'[room % 10]}"


async def fill(database: Database, settings: Settings) -> Year:
    """Writes the year into an empty database."""
    persons = [f"26-{number:04}" for number in range(CLASSES * PUPILS)]
    before = (TODAY - timedelta(days=ago) for ago in range(2 * DAYS))
    days = sorted([day for day in before if day.weekday() < 5][:DAYS])
    old, recent = days[:-FACTS], days[-FACTS:]
    async with database.write() as connection:
        await _enrol(connection, persons)
        school_id = await school.id_of(connection)
        for day in recent:
            for table, rows in _Day(day, settings, persons, school_id).tables():
                await _load(connection, table, rows)
    for start in range(0, len(old), 20):
        async with database.write() as connection:
            await connection.exec_driver_sql(_HASTE[connection.dialect.name])
            for day in old[start : start + 20]:
                await _copy(connection, settings, recent[0], day)
    return Year(settings, persons, days)


_HASTE = {"sqlite": "PRAGMA cache_size = -262144", "postgresql": "SET LOCAL synchronous_commit = off"}


async def _copy(connection: AsyncConnection, settings: Settings, like: date, day: date) -> None:
    """The lectures and marks of a day as those of another."""
    zone = settings.school.time_zone
    held, shown = (lectures_on(one, settings.timetable, zone) for one in (day, like))
    await connection.execute(insert(lectures), [_lecture(one) for one in held])
    again = [{"past": past.id, "lecture": one.id} for past, one in zip(shown, held, strict=True)]
    await connection.exec_driver_sql("CREATE TEMPORARY TABLE again (past VARCHAR PRIMARY KEY, lecture VARCHAR)")
    await connection.execute(text("INSERT INTO again VALUES (:past, :lecture)"), again)
    new = {"lecture": "again.lecture", "date": f"'{day}'", "crop": "NULL"}
    for name in ("first", "last"):
        if connection.dialect.name == "sqlite":
            new[name] = f"replace(marks.{name}, '{like}', '{day}')"
        else:
            new[name] = f"marks.{name} - interval '{(like - day).days} days'"
    columns = ", ".join(new.get(name, f"marks.{name}") for name in _names(marks))
    which = f"JOIN again ON again.past = marks.lecture WHERE marks.date = '{like}'"
    await connection.exec_driver_sql(f"INSERT INTO marks SELECT {columns} FROM marks {which}")
    await connection.exec_driver_sql(
        f"INSERT INTO daily SELECT '{day}', status, people FROM daily WHERE date = '{like}'"
    )
    await connection.exec_driver_sql("DROP TABLE again")


def _lecture(one: Lecture) -> Row:
    return {name: getattr(one, name) for name in _names(lectures)}


async def _enrol(connection: AsyncConnection, persons: Sequence[str]) -> None:
    named = enumerate(persons)
    await people.add(connection, *(Person(one, f"Name{n} Family{n % 900}", _class(n // PUPILS)) for n, one in named))
    signed = {"signer": "a parent", "state": Consent.GRANTED, "at": ENROLLED, "notice_version": "1"}
    held = {"model_id": "model", "vector": np.ones(128, np.float32), "images": 2, "updated_at": ENROLLED}
    spans = {"model_id": "model", "since": ENROLLED}
    for table, row in ((consent_events, signed), (templates, held), (template_spans, spans)):
        await connection.execute(insert(table), [row | {"person": person} for person in persons])


class _Day:
    """The rows of one day."""

    def __init__(self, day: date, settings: Settings, persons: Sequence[str], school_id: str) -> None:
        self._day = day
        self._persons = persons
        self._school = school_id
        self._dice = random.Random(day.toordinal())
        held = lectures_on(day, settings.timetable, settings.school.time_zone)
        self._lectures = {(int(one.room), one.start.hour - 8): one for one in held}

    def tables(self) -> Iterator[tuple[Table, list[Row]]]:
        """All that pages read, which is not sightings."""
        marked, filmed, observed, kept = [], [], [], []
        for (room, lesson), lecture in self._lectures.items():
            camera = f"camera-{room}"
            shown = [self._frame(camera, lesson, minute) for minute in range(LENGTH)]
            filmed += shown
            for place in range(PUPILS):
                person, status = self._persons[room * PUPILS + place], self._dice.choice(STATUSES)
                came = status not in (Status.ABSENT, Status.NOT_OBSERVED)
                at: datetime = shown[place]["captured_at"]
                crop = f"crops/{self._day}/{self._id()}.jpg" if came else None
                marked.append(self._mark(person, lecture.id, status, at if came else None, camera, crop))
                if crop:
                    observed.append(self._observation(shown[place]["id"], person, camera, at, crop))
                    times = {"created_at": at, "expires_at": at + timedelta(days=30)}
                    kept.append({"key": crop, "observation_id": observed[-1]["id"], **times})
        yield lectures, [_lecture(one) for one in self._lectures.values()]
        yield frames, filmed
        yield observations, observed
        yield crops, kept
        yield marks, marked
        came_at_all = len({row["person"] for row in observed})
        counts = {Status.PRESENT: came_at_all, Status.ABSENT: len(self._persons) - came_at_all}
        date_ = self._day.isoformat()
        yield daily, [{"date": date_, "status": status.value, "people": n} for status, n in counts.items()]

    def _id(self) -> str:
        """Later days have higher ones, as ids that begin with the time do."""
        return str(uuid.UUID(int=(self._day.toordinal() << 96) | self._dice.getrandbits(96)))

    def _at(self, lesson: int, minute: int) -> datetime:
        return datetime.combine(self._day, time(8 + lesson, minute, self._dice.randrange(60)), tzinfo=UTC)

    def _mark(
        self, person: str, lecture: str, status: Status, at: datetime | None, camera: str, crop: str | None
    ) -> Row:
        why = f"seen from {at:%H:%M} at {camera}, best score 0.72" if at else "never seen by cameras that watched"
        found: Row = {"person": person, "lecture": lecture, "date": self._day.isoformat(), "status": status.value}
        found |= {"minutes": None, "why": why, "first": at, "last": at, "sightings": 1 if at else 0}
        found |= {"best_score": 0.72 if at else None, "cameras": [camera] if at else [], "coverage": 0.98}
        return found | {"crop": crop, "rule_version": "2-bench"}

    def _frame(self, camera: str, lesson: int, minute: int) -> Row:
        at = self._at(lesson, minute)
        found: Row = {"id": self._id(), "school_id": self._school, "academic_year": "2025/26", "camera": camera}
        found |= {"epoch": self._day.toordinal(), "seq": 60 * lesson + minute, "kind": "image", "captured_at": at}
        found |= {"skew_ms": 0, "received_at": at, "live": True, "origin": "", "bytes": 40_000, "reason": ""}
        found |= {"checksum": self._dice.getrandbits(32)}
        return found | {"outcome": "recognised", "concluded_at": at, "model_id": "model", "faces": 1, "too_small": 0}

    def _observation(self, frame: str, person: str, camera: str, at: datetime, crop: str) -> Row:
        found: Row = {"id": self._id(), "frame_id": frame, "school_id": self._school, "academic_year": "2025/26"}
        found |= {"camera": camera, "captured_at": at, "x": 10.0, "y": 20.0, "w": 90.0, "h": 110.0, "size": 90.0}
        found |= {"detector_score": 0.99, "sharpness": 120.5, "yaw": 1.0, "pitch": -2.0, "roll": 3.0, "score": 0.72}
        found |= {"margin": 0.2, "threshold": 0.56, "alone": True, "model_id": "model", "policy_version": "1"}
        return found | {"person": person, "crop": crop}


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


async def _load(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """COPY, or SQLite's own executemany, with values as the hub's types have them in that database."""
    names = _names(table)
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        records = [[_served(row[name]) for name in names] for row in rows]
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.copy_records_to_table(table.name, records=records, columns=names)
        return
    ids = {column.name for column in table.columns if type(column.type).__name__ == "Uuid"}
    places = ", ".join("?" * len(names))
    columns = ", ".join(f'"{name}"' for name in names)
    values = [tuple(_filed(row[name], name in ids) for name in names) for row in rows]
    await connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", values)


def _served(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _filed(value: Any, is_id: bool) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value.replace("-", "") if is_id else _served(value)
