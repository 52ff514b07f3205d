"""Opening the database, and the two kinds of transaction everything else uses.

What is SQLite's alone is in hub.db.files, what is PostgreSQL's in hub.db.servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from . import consent, schema, vectors
from .collation import compare_bytes
from .errors import DatabaseError, explain, unreachable
from .files import empty_log, file_engine, prepare_file, shrink
from .holding import hold
from .objections import Entry, begin, keep
from .servers import refuse_unfit, server_engine

BUSY_SECONDS = 15
"""How long a writer waits for another process's transaction."""
WRITERS = 0x46524153
"""The advisory lock that a writing transaction holds on PostgreSQL ("FRAS")."""

SERVER_OPTIONS = ("ssl", "host", "passfile")
"""What may follow the ? of a PostgreSQL URL, as asyncpg has it."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """Transactions on an open database. Any failure that a person can mend comes out as DatabaseError."""

    def __init__(
        self, name: str, reader: AsyncEngine, writer: AsyncEngine | None, objections: Path | None = None
    ) -> None:
        self.name = name
        self.searches = False
        """Whether templates can be compared in it (hub.db.vectors)."""
        self._objections = objections
        self._reader = reader
        self._writer = writer
        # There is one writer: waiting for it here is fair and costs nothing; SQLite itself sleeps and polls.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view; writing through it fails."""
        with Explained(self.name):
            async with _connected(self._reader, self.name) as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that holds the write lock from its start, and commits unless the block raises."""
        if self._writer is None:
            raise DatabaseError(f"the database {self.name} was opened for reading", hint="this is a fault of FRAS")
        with Explained(self.name):
            async with self._turn, _connected(self._writer, self.name) as connection, connection.begin():
                await _alone(connection)
                noted = begin(connection)
                yield connection
                if noted and self._objections:
                    await _keep(self._objections, noted)

    async def forget_log(self) -> None:
        """Empties SQLite's write-ahead log, where what was deleted from the file may still be read.

        Somebody who reads meanwhile, or a disk that fails, may prevent it: then it is for the next time.
        """
        if self._reader.dialect.name == "sqlite" and self._writer is not None:
            async with self._turn:
                await asyncio.to_thread(empty_log, self.name)

    async def give_back(self) -> None:
        """Gives the disk what is empty of a SQLite file, if that is half of it or more: less will be used again.

        Some pages a transaction, so that nobody waits for long; what fails is for the next time. A file that an earlier
        FRAS made does not shrink.
        """
        if self._reader.dialect.name == "sqlite" and self._writer is not None:
            more = True
            while more:
                async with self._turn:
                    more = await asyncio.to_thread(shrink, self.name)

    async def forget_copies(self, before: datetime) -> None:
        """Removes copies of the SQLite file that migrations made before that moment (UTC)."""
        if self._reader.dialect.name == "sqlite":
            with suppress(OSError):  # then it is for the next time
                await asyncio.to_thread(schema.forget_copies, Path(self.name), before)


@asynccontextmanager
async def open_database(
    url: str, *, read_only: bool = False, own: bool = False, objections: Path | None = None
) -> AsyncIterator[Database]:
    """Opens the database at `url` (`sqlite:///path` or `postgresql://...`), brought to the newest schema.

    A SQLite file is copied beside itself before its schema changes. `read_only` never creates, migrates or writes,
    and works beside a running hub. `own` is for the hub: no other gets in (hub.db.holding; a file's school is held by
    its data folder). `objections` is the file that keeps them (hub.db.objections).
    Raises DatabaseError, DatabaseInUse, DatabaseTooNew.
    """
    parsed = _parse(url)
    name = _name(parsed)
    async with AsyncExitStack() as stack:
        with Explained(name):
            if _is_file(parsed):
                prepare_file(Path(name), read_only)
            writer = None if read_only else _engine(stack, parsed, begin="BEGIN IMMEDIATE")
            if writer and own and not _is_file(parsed):
                hold(writer, name)
                async with _connected(writer, name):
                    pass  # the lock is taken, before another version's hub would find its tables changed
            if not read_only:
                await _migrate(parsed, name, own)
            reader = _engine(stack, parsed, begin="BEGIN", query_only=True)
            async with _connected(reader, name) as connection:
                await connection.run_sync(schema.verify, name)
        if objections and not read_only:
            await _keep(objections, [])
        database = Database(name, reader, writer, objections)
        database.searches = await _searches(database, read_only)
        yield database


async def _searches(database: Database, read_only: bool) -> bool:
    """Whether templates can be compared in the database, made so where it offers it and may be written."""
    async with database.read() as connection:
        if await vectors.ready(connection):
            return True
        if read_only or not await vectors.offered(connection):
            return False
    async with database.write() as connection:
        if not await vectors.ready(connection):
            await vectors.build(connection, await consent.by_person(connection))
    return True


@asynccontextmanager
async def new_database(url: str) -> AsyncIterator[AsyncConnection]:
    """The one transaction that makes a database: its schema, then what the block writes, or nothing at all.

    Keys are checked no later than at its end. Raises DatabaseError, also for a database that is not empty.
    """
    parsed = _parse(url)
    name = _name(parsed)
    async with AsyncExitStack() as stack:
        with Explained(name):
            if _is_file(parsed):
                prepare_file(Path(name), read_only=False)
            engine = _engine(stack, parsed, begin="BEGIN IMMEDIATE", migrating=True)
            async with _connected(engine, name) as connection, connection.begin():
                await _alone(connection)
                await connection.run_sync(schema.refuse_occupied, name)
                await connection.run_sync(refuse_unfit, name)
                await connection.run_sync(schema.upgrade)
                yield connection
                await _check_references(connection, f"what was written into the database {name}")


async def _keep(file: Path, noted: list[Entry]) -> None:
    try:
        await asyncio.to_thread(keep, file, noted)
    except OSError as error:
        raise DatabaseError(
            f"{file}, which no objection may be missing from, cannot be written: {error.strerror}",
            hint="nothing was recorded; look at the disk's space and the rights there, then try again",
        ) from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or "") or not 0 < (parsed.port or 1) < 65536:  # half a password; no port
            raise ValueError
    except (ArgumentError, ValueError):  # the latter for a port that is no number, too
        hint = "write sqlite:///fras.db, or postgresql://USER:PASSWORD@HOST/NAME, with %40 for an @ in the password"
        raise DatabaseError("that is not a database URL", hint=hint) from None
    kind = parsed.get_backend_name()
    if kind not in DRIVERS:
        raise DatabaseError(f"databases of the kind {kind!r} are not supported", hint="use sqlite or postgresql")
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DatabaseError("a SQLite database needs a file", hint='write "sqlite:///fras.db"')
    query = dict(parsed.query)
    if kind == "postgresql":
        if "sslmode" in query:  # so PostgreSQL's own programs call it
            query["ssl"] = query.pop("sslmode")
        for unknown in sorted(query.keys() - set(SERVER_OPTIONS)):
            raise DatabaseError(
                f"?{unknown}= in the database's URL is not known",
                hint=f"{', '.join(SERVER_OPTIONS)} may stand there; user and password before the @",
            )
    return parsed.set(drivername=DRIVERS[kind], query=query)


def name_of(url: str) -> str:
    """What messages call the database: its file, or its server's address without the password. Raises DatabaseError."""
    return _name(_parse(url))


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _name(url: URL) -> str:
    return url.database or "" if _is_file(url) else url.set(drivername="postgresql", query={}).render_as_string()


def _engine(
    stack: AsyncExitStack, url: URL, *, begin: str, query_only: bool = False, migrating: bool = False
) -> AsyncEngine:
    """An engine that is disposed of with `stack`."""
    if _is_file(url):
        engine = file_engine(url, query_only, migrating, BUSY_SECONDS, begin)
    else:
        engine = server_engine(url, query_only, migrating, BUSY_SECONDS)
    stack.push_async_callback(engine.dispose)
    return engine


@asynccontextmanager
async def _connected(engine: AsyncEngine, name: str) -> AsyncIterator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (OSError, PoolTimeout) as error:
            raise unreachable(error, name) from error
        yield connection


async def _alone(connection: AsyncConnection) -> None:
    """Waits until no other program writes; SQLite's BEGIN IMMEDIATE has done so already.

    Events are numbered in the order of their commits, and what a transaction has read stays so until it writes.
    """
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


async def _migrate(url: URL, name: str, own: bool) -> None:
    """Brings the schema up to date in one transaction, so that a killed migration leaves the old schema.

    At the start of a hub also texts whose order a view had kept, which may be gone by now.
    """
    async with AsyncExitStack() as stack:
        engine = _engine(stack, url, begin="BEGIN IMMEDIATE", migrating=True)
        async with _connected(engine, name) as connection, connection.begin():
            await _alone(connection)
            found = await connection.run_sync(schema.revision, name)
            if found == schema.HEAD:
                if own:
                    await connection.run_sync(compare_bytes)
                return
            await connection.run_sync(schema.refuse_unknown, found, name)
            if found is None:
                await connection.run_sync(refuse_unfit, name)
            if found is not None and engine.dialect.name == "sqlite":
                await asyncio.to_thread(schema.copy_file, Path(name))
            await connection.run_sync(schema.upgrade)
            await _check_references(connection, f"migrating the database {name}")


async def _check_references(connection: AsyncConnection, doing: str) -> None:
    """PostgreSQL checks them by itself."""
    if connection.dialect.name == "sqlite":
        broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first()
        if broken is not None:
            raise DatabaseError(
                f"{doing} would break references of its table {broken[0]}",
                hint="it was left as it was; please report this",
            )


class Explained:
    """Turns the driver's errors into DatabaseError; a broken constraint stays what it is, a fault of the caller."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError):
            return
        if isinstance(error, DBAPIError):
            raise explain(error, self._name) from error
        if isinstance(error, ConnectionError):
            raise unreachable(error, self._name) from error
