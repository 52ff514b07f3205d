"""Short ways to write facts into a database, and a clock that tests set."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import create_async_engine

from hub.db import schema
from hub.db.engine import Database, open_database
from hub.inbox import Crop, FaceRecord, Inbox, open_inbox
from hub.picture_keys import PictureKeys
from hub.plugin import Box, Frame, Quality, SystemClock
from tests.support import postgres

KIND = os.environ.get("FRAS_TEST_DATABASE", "sqlite")
"""Which databases this run of the tests is about: "sqlite" or "postgresql"."""
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


KEYS = PictureKeys(0x5C400151)


def at(seconds: float = 0) -> datetime:
    return START + timedelta(seconds=seconds)


class SetClock(SystemClock):
    """Shows `moment` until told otherwise."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def url_of(folder: Path) -> str:
    """The database of the tests in `folder`, of the kind that this run of the tests is about."""
    return postgres.database_of(folder, with_tables=True) if KIND == "postgresql" else f"sqlite:///{folder}/fras.db"


def asked(school: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a statement answers that the database of the school in this folder is given past FRAS.

    Nothing where there is no such database or table yet. Moments and ids come as each driver has them.
    """
    if KIND == "postgresql":
        with ThreadPoolExecutor(1) as apart:  # beside the loop of the test, if it has one
            return apart.submit(asyncio.run, _asked_of_server(url_of(school), statement)).result()
    file = school / "data" / "fras.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        try:
            return database.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


async def _asked_of_server(url: str, statement: str) -> list[tuple[Any, ...]]:
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()


def older_fras(folder: Path, revision: str, *statements: str) -> None:
    """Makes the database that a FRAS of that schema would have made, and fills it by these statements."""
    if KIND == "postgresql":
        postgres.database_of(folder)  # without tables, before `url_of` makes some

    async def make() -> None:
        url = url_of(folder).replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(schema.upgrade, revision)
            for statement in statements:
                await connection.exec_driver_sql(statement)
        await engine.dispose()

    with ThreadPoolExecutor(1) as apart:  # beside the loop of the test
        apart.submit(asyncio.run, make()).result()


@asynccontextmanager
async def inbox_in(folder: Path) -> AsyncIterator[tuple[Database, Inbox]]:
    async with (
        open_database(url_of(folder)) as database,
        open_inbox(database, folder / "inbox", SetClock()) as inbox,
    ):
        yield database, inbox


def frame(seq: int = 0, *, epoch: int = 1, seconds: float | None = None, live: bool = False, **more: object) -> Frame:
    moment = at(seq if seconds is None else seconds)
    return Frame(epoch, seq, moment, f"image {epoch} {seq}".encode(), live, **more)  # type: ignore[arg-type]


def face(person: str | None = None, score: float | None = 0.9, crop: Crop | None = None) -> FaceRecord:
    return FaceRecord(
        box=Box(1, 2, 30, 40),
        detector_score=0.99,
        quality=Quality(30, 120.5, 1, -2, 3),
        person=person,
        score=score,
        margin=0.2,
        threshold=0.6,
        alone=person is not None,
        model_id="model",
        policy_version="1",
        crop=crop,
    )
