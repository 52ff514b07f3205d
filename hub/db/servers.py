"""Connections to a PostgreSQL server: how many, how long they wait, and what each of them asks of it."""

from __future__ import annotations

from ipaddress import ip_address

from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from . import silence
from .errors import DatabaseError

READERS = 8
"""Connections that one process reads through; it writes through one more."""
POOL_SECONDS = 30
"""How long a reader waits until another gives its connection back."""
ENCODINGS = ("UTF8", "SQL_ASCII")
"""Of a database, those in which every name can be written."""
KEEPALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""A hub whose machine is gone holds its locks for a minute, not for two hours."""


def server_engine(url: URL, query_only: bool, migrating: bool, busy_seconds: float) -> AsyncEngine:
    """An engine that reads, or one that writes and waits for locks for `busy_seconds`.

    A statement of one that is `migrating`, be it a whole school, takes what it takes.
    """
    engine = create_async_engine(
        url,
        hide_parameters=True,
        isolation_level="REPEATABLE READ" if query_only else "READ COMMITTED",
        pool_size=READERS if query_only else 1,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        connect_args={
            "timeout": silence.CONNECT_SECONDS,
            "command_timeout": None if migrating else silence.COMMAND_SECONDS,
            "server_settings": {
                "application_name": "fras",
                "jit": "off",  # compiling takes longer than any query here
                "default_transaction_read_only": "on" if query_only else "off",
                "lock_timeout": f"{busy_seconds}s",
                **KEEPALIVE,
            },
        },
    )
    silence.end_every_wait(engine)
    return engine


def refuse_unfit(connection: Connection, name: str) -> None:
    """Raises DatabaseError for a server's database in which the tables of a school cannot be made or filled."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding not in ENCODINGS:
        raise DatabaseError(
            f"the database {name} is encoded as {encoding}, in which not every name can be written",
            hint="make another: CREATE DATABASE NAME OWNER USER ENCODING 'UTF8' TEMPLATE template0",
        )
    allowed = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
    if not connection.exec_driver_sql(allowed).scalar_one():
        raise DatabaseError(
            f"the database {name} does not let this user make tables",
            hint="make the user its owner: ALTER DATABASE NAME OWNER TO USER",
        )


async def in_the_clear(connection: AsyncConnection) -> bool:
    """Whether whoever stands between this machine and a server's can read along."""
    if connection.dialect.name != "postgresql":
        return False
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    if (await connection.exec_driver_sql(encrypted)).scalar_one():
        return False
    ours = (await connection.exec_driver_sql("SELECT host(inet_client_addr())")).scalar_one()
    return ours is not None and not ip_address(ours).is_loopback
