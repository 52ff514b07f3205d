"""One hub a PostgreSQL database: its connection for writing holds an advisory lock as long as it lives.

A copy of the database holds it, too, so that no hub begins to write what would not be in the copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import DatabaseInUse

HUB = 0x46524148
"""The lock's number ("FRAH")."""
HANDOVER_SECONDS = 3
"""How long a hub waits for the one before it: the server needs a moment to notice that it is gone."""

COPY = "fras db copy"
"""What the connection of a copy is called in pg_stat_activity."""

_HOLDER = """
    SELECT coalesce(host(client_addr), 'the server itself'), to_char(backend_start, 'YYYY-MM-DD HH24:MI TZ'),
        application_name
    FROM pg_stat_activity JOIN pg_locks USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = $1 AND pg_database.datname = current_database()
"""

_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"


def hold(engine: AsyncEngine, name: str) -> None:
    """Every connection of `engine`, which has one at a time, takes the lock before anything is written through it.

    One that comes after a lost one does, too; should the server not have noticed that it is lost, it is ended there.
    Raises DatabaseInUse where there is another hub.
    """
    lost: list[tuple[int, datetime]] = []

    @event.listens_for(engine.sync_engine, "connect")
    def claim(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        try:
            for earlier in lost:
                cursor.execute(_END, earlier)
            cursor.execute(f"SET LOCAL lock_timeout = '{HANDOVER_SECONDS}s'")
            cursor.execute(f"SELECT pg_advisory_lock({HUB})")
            cursor.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            lost[:] = [cursor.fetchone()]
            connection.commit()
        except BaseException as error:
            refused = getattr(error, "sqlstate", None) == "55P03"
            holder = _holder(connection) if refused else None
            connection.terminate()
            if refused:
                raise _in_use(name, holder) from error
            raise


async def keep_hubs_out(connection: AsyncConnection, name: str) -> None:
    """Lets no hub onto a server's database until the connection is closed; what it reads from here on, no hub changes.

    A file's hub is kept out by its data folder. Raises DatabaseInUse where there is a hub already.
    """
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"SET application_name = '{COPY}'")
        if not (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({HUB})")).scalar_one():
            raise _in_use(name, (await connection.exec_driver_sql(_HOLDER, (HUB,))).first())
        await connection.commit()  # the next transaction sees what a hub that has just gone wrote last


def _holder(connection: Any) -> Sequence[str] | None:
    """From where and since when; None when it has gone meanwhile."""
    with suppress(Exception):
        connection.rollback()
        cursor = connection.cursor()
        cursor.execute(_HOLDER, (HUB,))
        found: Sequence[str] | None = cursor.fetchone()
        return found
    return None


def _in_use(name: str, holder: Sequence[str] | None) -> DatabaseInUse:
    where = f", from {holder[0]}, since {holder[1]}" if holder else ""
    if holder and holder[2] == COPY:
        return DatabaseInUse(
            f"{COPY} is reading the database {name}{where}",
            hint="wait until it is done, and write the new database into hub.yaml",
        )
    return DatabaseInUse(
        f"a hub is already running on the database {name}{where}",
        hint="stop it first, or name a database of your own at hub: database:",
    )
