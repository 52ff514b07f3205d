"""The hub's parts on a real database, a real disk and a supervised recogniser that goes by colours."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image
from sqlalchemy import text

from hub.attendance.records import Rules
from hub.attendance.timetable import Weekly
from hub.crops import Crops
from hub.db import consent, ledger, people, templates
from hub.db.engine import Database, open_database
from hub.db.people import Person
from hub.enrolment import Enrolment
from hub.inbox import Inbox, Pending, open_inbox
from hub.people import Erasure, Roll
from hub.pipeline.backlog import Backlog
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.judge import Judge
from hub.pipeline.members import EmbedderMember
from hub.pipeline.overdue import Overdue
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.verdicts import Chain
from hub.plugin import Clock, Embedder, Frame, RecognizerSpec, Storage, StorageSpec
from hub.recognition.consent import Consent
from hub.recognition.policy import Policy, Thresholds
from hub.registers import Projector, Registers
from hub.retention import Retention
from hub.runtime.supervisor import Supervisor
from hub.runtime.threads import DaemonPool
from hub.sweeping import Sweeper
from plugins.storage import local_disk
from tests.support import colours
from tests.support.context import ManualClock
from tests.support.facts import KEYS, url_of
from tests.support.plugins import PATIENT, surroundings

ZONE = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=ZoneInfo("UTC"))
"""09:00 at school, on a Monday."""
MATHS = Weekly("10A", "Mathematics", "101", frozenset(range(5)), time(9), time(9, 50))
POLICY = Policy(Thresholds(0.9, 0.97, 0.05))
(COLOURS,) = colours.fras_plugins()
(LOCAL_DISK,) = local_disk.fras_plugins()


@dataclass
class Services:
    """`analysed` counts the pictures of each call of the recogniser."""

    database: Database
    inbox: Inbox
    embedder: Embedder
    storage: Storage
    crops: Crops
    gallery: GalleryKeeper
    judge: Judge
    registers: Registers
    erasure: Erasure
    retention: Retention
    roll: Roll
    overdue: Overdue
    clock: ManualClock

    def sweeper(self, projector: Projector, clock: Clock) -> Sweeper:
        return Sweeper(self.database, projector, self.crops, self.erasure, self.retention, self.overdue, clock)

    def enrolment(self) -> Enrolment:
        return Enrolment(self.database, self.embedder, self.storage, POLICY, self.clock, KEYS)

    async def enrol(self, *persons: str, state: Consent = Consent.GRANTED, expires: datetime | None = None) -> None:
        """People with their template and their consent, as if from long ago."""
        for person in persons:
            async with self.database.write() as connection:
                await people.add(connection, Person(person, person.title(), "10A"))
                await consent.append(
                    connection, person=person, signer="x", state=state, at=NINE - timedelta(days=9), expires_at=expires
                )
                (sight,) = await colours.Colours().analyse([shown(person)])
                await templates.replace(
                    connection, person, "colours-1", sight.faces[0].embedding, 2, at=NINE - timedelta(days=9)
                )

    async def say(self, person: str, state: Consent, at: datetime | None = None) -> None:
        """A word of the same signer."""
        async with self.database.write() as connection:
            await consent.append(connection, person=person, signer="x", state=state, at=at or self.clock.now())

    async def outcomes(self) -> dict[int, tuple[str, str]]:
        """Outcome and reason of each frame, by sequence number."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT seq, outcome, reason FROM frames ORDER BY seq"))
            return {seq: (outcome, reason) for seq, outcome, reason in rows}

    async def seen(self) -> list[tuple[int, str | None]]:
        """Who was seen in which frame, by sequence number and place."""
        query = "SELECT seq, person FROM observations JOIN frames ON frames.id = frame_id ORDER BY seq, x"
        async with self.database.read() as connection:
            return [(seq, person) for seq, person in await connection.execute(text(query))]

    async def stored(self) -> list[str]:
        return [key async for key in self.storage.list()]

    async def pointers(self) -> list[str]:
        """The crops that observations point to."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT crop FROM observations WHERE crop IS NOT NULL ORDER BY crop"))
            return list(rows.scalars())


def judge_by(embedder: Embedder, gallery: GalleryKeeper, clock: Clock, policy: Policy = POLICY) -> Judge:
    """One recogniser for all cameras."""
    member = EmbedderMember(embedder, gallery, policy)
    return Judge({"colours": Chain([member], clock)}, [member])


def shown(*persons: str) -> colours.Picture:
    pixels = colours.picture(*persons)
    return colours.Picture(pixels, pixels.shape[1], pixels.shape[0])


def image(*persons: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colours.picture(*persons)).save(file, "PNG")
    return file.getvalue()


def frame(seq: int, *persons: str, live: bool = False, seconds: float | None = None) -> Frame:
    at = NINE + timedelta(seconds=10 * seq if seconds is None else seconds)
    return Frame(1, seq, at, image(*persons), live)


@asynccontextmanager
async def services(
    folder: Path, *, recogniser: RecognizerSpec = COLOURS, storage: StorageSpec = LOCAL_DISK, rules: Rules | None = None
) -> AsyncIterator[Services]:
    clock = ManualClock(NINE + timedelta(hours=5))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url_of(folder)))
        supervisor = await stack.enter_async_context(Supervisor(surroundings(folder), limits=PATIENT))
        embedder = await stack.enter_async_context(supervisor.open_recognizer("recognizer", recogniser, {}))
        assert isinstance(embedder, Embedder)
        disk = await stack.enter_async_context(supervisor.open_storage("storage", storage, {}))
        inbox = await stack.enter_async_context(open_inbox(database, folder / "inbox", clock))
        crops = Crops(database, disk, clock, timedelta(days=30), KEYS)
        gallery = GalleryKeeper(database, embedder.model.id, embedder.model.metric, clock)
        registers = Registers(database, [MATHS], {"door": "101"}, rules or Rules(), ZONE, clock)
        yield Services(
            database,
            inbox,
            embedder,
            disk,
            crops,
            gallery,
            judge_by(embedder, gallery, clock),
            registers,
            Erasure(database, disk, clock),
            Retention(database, registers, crops, clock, timedelta(days=180)),
            Roll(database, clock),
            Overdue(clock, timedelta(days=3)),
            clock,
        )


@asynccontextmanager
async def recognising(parts: Services, concluded: Callable[[], None] = lambda: None) -> AsyncIterator[Pipeline]:
    """The pipeline at work on what the inbox takes."""
    backlog: Backlog[Pending] = Backlog()
    threads = DaemonPool("pipeline")
    pipeline = Pipeline(
        parts.inbox, backlog, parts.judge, parts.crops, threads, parts.clock, concluded, overdue=parts.overdue
    )

    async def feed() -> None:
        while True:
            await backlog.add(await parts.inbox.arrived())

    tasks = [asyncio.create_task(feed()), asyncio.create_task(pipeline.run())]
    try:
        yield pipeline
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        threads.close()


async def done(parts: Services, patience: float = 10) -> None:
    """Waits until every frame has its outcome."""

    async def nothing_waits() -> bool:
        async with parts.database.read() as connection:
            return await ledger.count_pending(connection) == 0

    await until(nothing_waits, patience)


async def until(condition: Callable[[], Awaitable[bool]], patience: float = 10) -> None:
    async with asyncio.timeout(patience):
        while not await condition():
            await asyncio.sleep(0.01)


async def recognised(parts: Services, frames: Sequence[Frame]) -> None:
    """Delivers frames and waits for their outcomes."""
    async with recognising(parts):
        for one in frames:
            await parts.inbox.accept("door", one)
        await done(parts)
