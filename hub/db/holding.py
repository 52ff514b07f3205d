"""One hub a PostgreSQL database: its connection for writing holds an advisory lock as long as it lives."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from .errors import DatabaseInUse

HUB = 0x46524148
"""The lock's number ("FRAH")."""
HANDOVER_SECONDS = 3
"""How long a hub waits for the one before it: the server needs a moment to notice that it is gone."""
KEEPALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""Settings of the connection: a hub whose machine is gone holds the database for a minute, not for two hours."""

_HOLDER = """
    SELECT coalesce(host(client_addr), 'the server itself'), to_char(backend_start, 'YYYY-MM-DD HH24:MI TZ')
    FROM pg_stat_activity JOIN pg_locks USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = $1 AND pg_database.datname = current_database()
"""


def hold(engine: AsyncEngine, name: str) -> None:
    """Every connection of `engine`, which has one at a time, takes the lock before anything is written through it.

    One that comes after a lost one does, too. Raises DatabaseInUse where there is another hub.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def claim(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(f"SET LOCAL lock_timeout = '{HANDOVER_SECONDS}s'")
            cursor.execute(f"SELECT pg_advisory_lock({HUB})")
            connection.commit()
        except Exception as error:
            refused = getattr(error, "sqlstate", None) == "55P03"
            where = _holder(connection) if refused else ""
            connection.terminate()
            if refused:
                raise DatabaseInUse(
                    f"another hub is running on the database {name}{where}",
                    hint="stop it first, or give this one a database of its own at hub: database:",
                ) from error
            raise


def _holder(connection: Any) -> str:
    with suppress(Exception):  # it has gone meanwhile
        connection.rollback()
        cursor = connection.cursor()
        cursor.execute(_HOLDER, (HUB,))
        address, since = cursor.fetchone()
        return f", from {address}, since {since}"
    return ""
