"""A whole database into another, of the other kind too: every row as it is stored, then compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Dialect,
    LargeBinary,
    Row,
    String,
    Table,
    TableClause,
    Text,
    cast,
    collate,
    column,
    func,
    insert,
    select,
    table,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator, TypeEngine

from .collation import BYTES
from .engine import Explained, name_of, new_database, open_database
from .errors import DatabaseError
from .holding import keep_hubs_out
from .tables import metadata
from .types import Float32Vector

BATCH = 1000
"""Rows held in memory at once."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table, how many rows it has in both databases, and the SHA-256 of them all in the order of their keys."""

    table: str
    rows: int
    sha256: str


async def copy(source: str, target: str, report: Callable[[str], None] = lambda message: None) -> list[Copied]:
    """Copies the database at the URL `source` into the empty or new one at `target`, and compares every row.

    The source is read as it is at one moment, and no hub can start on its server meanwhile. What goes wrong, be it
    that the process is killed, leaves the target without tables. Raises DatabaseError, and DatabaseInUse where a hub
    runs on the source's server.
    """
    async with open_database(source, read_only=True) as opened, opened.read() as old:
        await keep_hubs_out(old, opened.name)
        async with new_database(target) as new:
            return await _copy_all(old, opened.name, new, name_of(target), report)


async def _copy_all(
    old: AsyncConnection, source: str, new: AsyncConnection, target: str, report: Callable[[str], None]
) -> list[Copied]:
    for each in reversed(metadata.sorted_tables):  # a new schema has a school of its own
        await new.execute(each.delete())
    copied = []
    for each in metadata.sorted_tables:
        report(f"copying {each.name}")
        with Explained(target):
            copied.append(await _copy(old, new, each, source))
            await _count_on(old, new, each)
    for each, sent in zip(metadata.sorted_tables, copied, strict=True):
        report(f"comparing {sent.table}, {sent.rows} rows")
        _compare(sent, await _read(new, each, target))
    return copied


def _compare(sent: Copied, arrived: Copied) -> None:
    if sent != arrived:
        raise DatabaseError(
            f"the table {sent.table} is not the same in the copy: {sent.rows} rows {sent.sha256[:12]} were read, "
            f"{arrived.rows} rows {arrived.sha256[:12]} arrived",
            hint="nothing was kept of the copy; please report this",
        )


class _Digest:
    """What one table holds, as numbers, texts, bytes and moments, whatever database holds it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows = 0
        self._sum = hashlib.sha256()

    def add(self, rows: Sequence[Row[Any]]) -> None:
        self._rows += len(rows)
        for row in rows:
            line = json.dumps([_plain(value) for value in row], separators=(",", ":"))
            self._sum.update(line.encode() + b"\n")

    def done(self) -> Copied:
        return Copied(self._name, self._rows, self._sum.hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0  # SQLite keeps no sign of zero
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


async def _copy(old: AsyncConnection, new: AsyncConnection, each: Table, source: str) -> Copied:
    digest = _Digest(each.name)
    stored = _stored(each, new)
    async with aclosing(_batches(old, each, source)) as batches:
        async for batch in batches:
            digest.add(batch)
            try:
                await new.execute(insert(stored), [dict(row._mapping) for row in batch])
            except DBAPIError as error:
                if not _of_a_row(error):
                    raise
                raise DatabaseError(
                    f"the new database does not take the rows of the table {each.name}: {type(error.orig).__name__}",
                    hint="nothing was kept of the copy, and the old database is as it was; please report this",
                ) from error
    return digest.done()


def _of_a_row(error: DBAPIError) -> bool:
    """Whether a row is at fault: a key or a value, which PostgreSQL or asyncpg before it refuses."""
    orig = error.orig
    wrong = str(getattr(orig, "sqlstate", None) or "").startswith("22") or isinstance(error, IntegrityError)
    return wrong or (orig is not None and isinstance(orig.__cause__, ValueError))


async def _read(connection: AsyncConnection, each: Table, name: str) -> Copied:
    digest = _Digest(each.name)
    async with aclosing(_batches(connection, each, name)) as batches:
        async for batch in batches:
            digest.add(batch)
    return digest.done()


async def _batches(connection: AsyncConnection, each: Table, name: str) -> AsyncGenerator[Sequence[Row[Any]], None]:
    """The rows of a table of the database called `name`, in the order of their key: the same in every database."""
    stored = _stored(each, connection)
    query = select(stored).order_by(*(_by_bytes(stored.c[part.name], connection) for part in each.primary_key))
    with Explained(name):
        result = await connection.stream(query, execution_options={"yield_per": BATCH})
        try:
            async for batch in result.partitions():
                yield batch
        finally:
            await result.close()


def _by_bytes(key: ColumnElement[Any], connection: AsyncConnection) -> ColumnElement[Any]:
    """The key to put rows into order by. Not every text of a server's has that order (hub.db.collation)."""
    server = connection.dialect.name == "postgresql"
    return collate(key, BYTES) if server and isinstance(key.type, String) else key


def _stored(each: Table, connection: AsyncConnection) -> TableClause:
    """The table with values as they are stored: NULL and JSON's null are not the same, nor are two JSON texts."""
    server = connection.dialect.name == "postgresql"
    return table(each.name, *(column(part.name, _as_stored(part.type, server)) for part in each.columns))


def _as_stored(kind: TypeEngine[Any], server: bool) -> TypeEngine[Any]:
    if isinstance(kind, JSON):
        return _ServersJsonText() if server else _JsonText()
    return LargeBinary() if isinstance(kind, Float32Vector) else kind


class _JsonText(TypeDecorator[str]):
    """JSON as its text. A number alone SQLite keeps as a number, 3.0 as 3: so it is written in every database."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if isinstance(value, str) and value.startswith(tuple("-0123456789")):
            value = json.loads(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if value is None or isinstance(value, str) else json.dumps(value)


class _ServersJsonText(_JsonText):
    """The same of PostgreSQL, which keeps the text."""

    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return type_coerce(cast(column, Text), self)

    def bind_expression(self, bindparam: Any) -> ColumnElement[Any]:
        return cast(cast(bindparam, Text), JSON)


async def _count_on(old: AsyncConnection, new: AsyncConnection, each: Table) -> None:
    """Numbers that the old database has given, be their rows gone, the new one does not give again."""
    counted = each.autoincrement_column
    if counted is None:
        return
    highest = (await new.execute(select(func.max(counted)))).scalar() or 0
    last = max(highest, await _last(old, each.name, counted.name))
    if new.dialect.name == "sqlite":
        await new.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": each.name})
        await new.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), {"name": each.name, "last": last}
        )
    elif last:
        await new.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, :counted), :last)"),
            {"name": each.name, "counted": counted.name, "last": last},
        )


async def _last(connection: AsyncConnection, name: str, counted: str) -> int:
    if connection.dialect.name == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return (await connection.execute(query, {"name": name})).scalar() or 0
    query = text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, :counted)::regclass)")
    return (await connection.execute(query, {"name": name, "counted": counted})).scalar() or 0
