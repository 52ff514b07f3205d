"""A consistent copy of the SQLite database while a hub writes to it, and a look at one that was brought back."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .engine import BUSY_SECONDS
from .errors import DatabaseError
from .tables import crops, enrolment_images

PAGES = 2048
"""Pages copied between two looks at whether anybody still wants the copy."""
BATCH = 1000


class GivenUp(Exception):
    """Nobody waits for the copy any more."""


def copy(database: Path, target: Path, hold: Callable[[list[str]], None], given_up: threading.Event) -> None:
    """Copies `database` to `target`, whole and checked; `hold` is called with the ids of the frames that wait in it.

    Nothing is committed while `hold` runs, so that it can keep the files of those frames from going; the copying
    itself holds up nobody. Raises DatabaseError, what `hold` raises, and GivenUp.
    """

    def look(status: int, remaining: int, total: int) -> None:
        if given_up.is_set():
            raise GivenUp

    try:
        with (
            closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as writer,
            closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as reader,
            closing(sqlite3.connect(target, isolation_level=None)) as made,
        ):
            writer.execute("BEGIN IMMEDIATE")
            try:
                waiting = writer.execute("SELECT id FROM frames WHERE outcome = 'pending'")
                hold([str(uuid.UUID(frame)) for (frame,) in waiting])  # SQLAlchemy stores ids without hyphens
                # A backup step uses the read transaction that its source has open: the view is fixed here
                # (sqlite3_backup_step begins one only where there is none).
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            finally:
                writer.execute("ROLLBACK")
            made.execute("PRAGMA synchronous = OFF")
            reader.backup(made, pages=PAGES, progress=look)
            made.execute("PRAGMA journal_mode = DELETE")
            _check(made, database)
    except sqlite3.Error as error:
        raise _explained(error, database) from error


def check(database: Path) -> None:
    """Raises DatabaseError unless every page and index of the file is whole."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            _check(connection, database)
    except sqlite3.Error as error:
        raise _explained(error, database) from error


async def keys(connection: AsyncConnection) -> AsyncIterator[str]:
    """The storage keys the database refers to, in batches behind the scenes: evidence crops, then portraits."""
    for column in (crops.c.key, enrolment_images.c.crop_key):
        async for key in _ascending(connection, column):
            yield key


async def _ascending(connection: AsyncConnection, column: Column[str]) -> AsyncIterator[str]:
    last = ""
    while True:
        query = select(column).where(column > last).distinct().order_by(column).limit(BATCH)
        batch = list((await connection.execute(query)).scalars())
        for key in batch:
            yield key
        if len(batch) < BATCH:
            return
        last = batch[-1]


def _check(connection: sqlite3.Connection, database: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DatabaseError(f"the database {database} is damaged", hint="keep your last good backup; restore that one")


def _explained(error: sqlite3.Error, database: Path) -> DatabaseError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return DatabaseError(f"no room to copy the database {database}", hint="free some space, or choose another disk")
    if name.startswith("SQLITE_BUSY"):
        return DatabaseError(f"the database {database} is being written by another program", hint="try again")
    return DatabaseError(
        f"the database {database} cannot be copied: {error}",
        hint="keep your last good backup; fras restore brings it back",
    )
