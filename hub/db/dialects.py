"""What SQLite and PostgreSQL both have and spell differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import JSON, ColumnElement, Table, cast, func
from sqlalchemy.ext.asyncio import AsyncConnection

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert


def insert(connection: AsyncConnection, table: Table) -> SqliteInsert | PostgresInsert:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def elements(dialect: str, array: ColumnElement[str]) -> ColumnElement[str]:
    """The elements of a JSON array, each a row; of an element that is one, too, `->>` and an index give the parts."""
    if dialect == "postgresql":
        return func.json_array_elements(cast(array, JSON)).column_valued("element")
    return func.json_each(array).table_valued("value", name="element").c.value
