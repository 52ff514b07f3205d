"""A school's facts written straight into a real database and storage, and the panel served over a real socket."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from time import time_ns
from zoneinfo import ZoneInfo

import numpy as np
import uuid6
from PIL import Image

from hub.crops import Crops
from hub.db import consent, ledger, observations, outbox, people, templates
from hub.db.engine import Database, open_database
from hub.db.ledger import Entry, Kind, Outcome, Pending, Verdict
from hub.db.observations import FaceRecord
from hub.db.people import Person
from hub.nodes.entrances import Entrances
from hub.plugin import Box, Heartbeat, Quality, Storage
from hub.recognition.consent import Consent
from hub.registers import Registers
from hub.runtime.catalog import Catalog
from hub.runtime.health import Health
from hub.settings import Settings, read_settings
from hub.web.server import application, serving
from tests.support.disks import local_disk
from tests.support.facts import KEYS, SetClock, url_of

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 23)

HUB_YAML = """\
hub: {name: Lindenschule, time_zone: Europe/Berlin}
recognizer: {platform: onnx_local}
storage: {platform: local_disk}
cameras:
  - {platform: folder, id: door-101, room: "101", path: incoming}
  - {platform: folder, id: back-101, room: "101", path: incoming}
  - {platform: folder, id: door-102, room: "102", path: incoming}
attendance:
  timetable:
    - {class: 10A, lecture: Physics, room: "101", days: mon-fri, start: "10:00", end: "10:50"}
    - {class: 10A, lecture: Mathematics, room: "101", days: mon-fri, start: "09:00", end: "09:50"}
    - {class: 10B, lecture: Art, room: "102", days: mon-fri, start: "09:00", end: "09:50"}
"""


def at(clock: str, day: date = MONDAY) -> datetime:
    """UTC of the school's local time ("09:00" or "09:00:05")."""
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=BERLIN).astimezone(UTC)


def jpeg(shade: int = 128) -> bytes:
    kept = io.BytesIO()
    Image.fromarray(np.full((100, 80, 3), shade, np.uint8)).save(kept, "JPEG")
    return kept.getvalue()


@dataclass
class Panel:
    """`health` is what the supervisor would say; `pictures` are the crops of people, grey where there is none."""

    database: Database
    storage: Storage
    settings: Settings
    clock: SetClock
    registers: Registers
    crops: Crops
    health: dict[str, Health] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    address: str = ""
    _seq: Iterator[int] = field(default_factory=lambda: count(time_ns()))

    async def enrol(self, *persons: Person, granted: bool = True) -> None:
        """Registers people; unless told otherwise with consent and a template, so that cameras recognise them."""
        async with self.database.write() as connection:
            await people.add(connection, *persons)
            for person in persons if granted else ():
                past = at("08:00", date(2026, 9, 1))
                await consent.append(connection, person=person.id, signer="parent", state=Consent.GRANTED, at=past)
                await templates.replace(connection, person.id, "model", np.ones(3, np.float32), 2, at=past)

    async def watched(self, camera: str, start: datetime, end: datetime, every: float = 30) -> None:
        """The camera's heartbeats from `start` to `end`, both included."""
        steps = int((end - start).total_seconds() // every) + 1
        beats = [(camera, Heartbeat(start + timedelta(seconds=every * step))) for step in range(steps)]
        async with self.database.write() as connection:
            await ledger.watched(connection, beats, end)

    async def seen(
        self,
        sights: Iterable[tuple[str | None, str, datetime]],
        *,
        score: float = 0.72,
        alone: bool = True,
        crop: bool = True,
    ) -> None:
        """A frame with one face for each (person or None, camera, moment)."""
        entries, faces = [], {}
        for person, camera, moment in sights:
            frame = str(uuid6.uuid7())
            pending = Pending(frame, camera, 1, next(self._seq), Kind.IMAGE, moment, moment, False, "")
            entries.append(Entry(pending, timedelta(0), 1000, "2026/27"))
            kept = await self.crops.put(self.pictures.get(person, jpeg()), moment) if person and crop else None
            faces[frame] = [
                FaceRecord(
                    Box(10, 20, 90, 110),
                    0.99,
                    Quality(90, 120.5, 1, -2, 3),
                    person,
                    score,
                    0.21,
                    0.56,
                    alone and person is not None,
                    "model",
                    "1",
                    kept,
                )
            ]
        async with self.database.write() as connection:
            await ledger.add(connection, entries)
            verdicts = [Verdict(frame, Outcome.RECOGNISED, "", 1, 0) for frame in faces]
            now = self.clock.now()
            concluded = await ledger.conclude(connection, verdicts, now)
            await observations.add(connection, concluded, faces, now)
            told = [{"id": one.id, "captured_at": one.captured_at.isoformat()} for one in concluded.values()]
            await outbox.append(connection, "frame", *told)

    async def draw(self, *days: date) -> None:
        """Draws up the registers of `days`, as the running hub does."""
        for day in days or (MONDAY,):
            await self.registers.project(day)


@asynccontextmanager
async def panel_in(
    folder: Path, *, now: datetime | None = None, yaml: str = HUB_YAML, pictures: Mapping[str, bytes] | None = None
) -> AsyncIterator[Panel]:
    """A school in `folder` whose clock stands at `now`, Monday 09:30 unless told otherwise; not served yet."""
    file = folder / "hub.yaml"
    file.write_text(yaml, "utf-8")
    (folder / "incoming").mkdir(exist_ok=True)
    settings = read_settings(file, Catalog())
    clock = SetClock(now or at("09:30"))
    async with open_database(url_of(folder)) as database, local_disk(folder) as storage:
        rooms = {camera.id: camera.room for camera in settings.cameras}
        registers = Registers(database, settings.timetable, rooms, settings.rules, settings.school.time_zone, clock)
        crops = Crops(database, storage, clock, settings.keep.crops, KEYS)
        yield Panel(database, storage, settings, clock, registers, crops, pictures=pictures or {})


@asynccontextmanager
async def served(panel: Panel, port: int = 0) -> AsyncIterator[Panel]:
    """Serves it with everything the running hub's site has, at `panel.address`; at any free port for 0."""
    app = application(
        database=panel.database,
        clock=panel.clock,
        settings=lambda: panel.settings,
        registers=lambda: panel.registers,
        storage=lambda: panel.storage,
        health=lambda: panel.health,
        entrances=Entrances(),
    )
    async with serving(app, "127.0.0.1", port) as address:
        panel.address = address.rstrip("/")
        yield panel
