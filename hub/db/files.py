"""A SQLite database's file: how it is made and opened, and how it gives back what is no longer used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from .errors import DatabaseError

LOOK_AGAIN_SECONDS = 0.01
"""How often a file is looked at again of which SQLite says at once that it is locked."""
SHRUNK_AT_ONCE = 500
"""Pages (of 4 KiB) that a SQLite file shrinks by in one transaction."""


def prepare_file(file: Path, read_only: bool) -> None:
    """Creates the file for its owner alone, or says why that cannot be."""
    if read_only:
        try:
            there = file.is_file()
        except OSError as error:
            raise DatabaseError(
                f"the database {file} cannot be read: {error.strerror}",
                hint="run this as the user that the hub runs as",
            ) from None
        if not there:
            raise DatabaseError(f"there is no database {file} yet", hint="start the hub once with fras run")
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        # Asked, not tried: closing a file drops the locks of all who have it open in this process
        # (https://www.sqlite.org/howtocorrupt.html, 2.2).
        if file.is_dir() or not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
            os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC))  # says why not
    except OSError as error:
        raise DatabaseError(
            f"the database {file} cannot be written: {error.strerror}",
            hint="give the user that runs fras write access to the file and its folder, or choose another with --data",
        ) from None


def file_engine(url: URL, query_only: bool, migrating: bool, busy_seconds: float, begin: str) -> AsyncEngine:
    """An engine that reads, or one that writes and waits for another program for `busy_seconds`.

    `begin` is the statement that opens its transactions.
    """
    options: dict[str, Any] = {"pool_timeout": 60}
    pragmas = ["synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"]
    if query_only:
        pragmas += ["query_only=ON"]
    elif migrating:
        # Batch mode replaces a table by a changed copy: what refers to it, keys and triggers, must not notice.
        # Keys are checked at the end (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds").
        options = {"poolclass": NullPool}
        # auto_vacuum counts in an empty file alone, before anything is written.
        pragmas = ["auto_vacuum=INCREMENTAL", *pragmas, "journal_mode=WAL", "foreign_keys=OFF", "legacy_alter_table=ON"]
    else:
        options = {"pool_size": 1, "max_overflow": 0}
        pragmas += ["journal_mode=WAL"]
    engine = create_async_engine(
        url,
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": busy_seconds, "factory": _Closing},
        **options,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            _patiently(cursor, f"PRAGMA {pragma}", busy_seconds)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _patiently(cursor: Any, statement: str, seconds: float) -> None:
    """SQLite itself does not wait for another program that is just giving a new file its log: it says *locked*."""
    patience = time.monotonic() + seconds
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            await_only(asyncio.sleep(LOOK_AGAIN_SECONDS))


class _Closing(sqlite3.Connection):
    """Ends its transaction when it is closed.

    SQLite keeps a closed connection, and its lock, as long as a statement of it lives; those of a cancelled task do
    (https://www.sqlite.org/c3ref/close.html).
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def empty_log(file: str) -> None:
    """Takes the write-ahead log into the file, unless somebody reads it or the disk fails."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=0.5)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def shrink(file: str) -> bool:
    """Whether pages were given back, and there may be more."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=0.5, isolation_level=None)) as connection:

        def ask(what: str) -> int:
            return int(connection.execute(f"PRAGMA {what}").fetchone()[0])

        empty = ask("freelist_count")
        if empty and 2 * empty >= ask("page_count"):
            connection.execute(f"PRAGMA incremental_vacuum({SHRUNK_AT_ONCE})").fetchall()  # to the last page
            return ask("freelist_count") < empty
    return False
