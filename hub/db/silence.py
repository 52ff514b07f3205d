"""A PostgreSQL server that says nothing more, without an end of its connections: every wait for it ends.

Its machine may have lost power or network, another may have taken its address, a wall between may have forgotten the
connection. Nothing tells a process that waits for an answer.
"""

from __future__ import annotations

import socket
from typing import Any

from sqlalchemy import ExceptionContext, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

CONNECT_SECONDS = 10
"""How long a server may take to let us in."""
PING_SECONDS = 5
"""How long one may take to show that a connection, which nobody used for a while, still leads to it."""
COMMAND_SECONDS = 60
"""How long one statement may take: four times as long as it may wait for a lock, and far longer than any query here."""
LOST_SECONDS = 20
"""How long nobody's machine may confirm what was sent there, be it a statement or a sign of life."""
SIGNS_OF_LIFE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": LOST_SECONDS * 1000}
"""Options of the socket (tcp(7)): seconds, seconds, a number, milliseconds."""


def end_every_wait(engine: AsyncEngine) -> None:
    """Connections of `engine` that are silent are lost ones: who waits learns it, and the next one gets another."""

    @event.listens_for(engine.sync_engine, "connect")
    def expect_signs_of_life(connection: Any, record: Any) -> None:
        found = connection.driver_connection._transport.get_extra_info("socket")
        if found.family != socket.AF_UNIX:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in SIGNS_OF_LIFE.items():
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, record: Any, borrowed: Any) -> None:
        if not record.info.setdefault("used"):  # it is new
            record.info["used"] = True
            return
        try:
            await_only(connection.driver_connection.execute("SELECT 1", timeout=PING_SECONDS))
        except Exception as error:  # whatever is wrong with it
            connection.driver_connection.terminate()
            lost = DisconnectionError()
            lost.invalidate_pool = True
            raise lost from error

    @event.listens_for(engine.sync_engine, "handle_error")
    def give_up(context: ExceptionContext) -> Exception | None:
        if not isinstance(context.original_exception, TimeoutError):
            return None
        if context.connection is not None:
            context.connection.connection.driver_connection.terminate()  # type: ignore[union-attr]
        context.is_disconnect = True
        return ConnectionAbortedError(f"no answer within {COMMAND_SECONDS:g} s")

    @event.listens_for(engine.sync_engine, "close")
    def close(connection: Any, record: Any) -> None:
        connection.terminate()  # SQLAlchemy gives it two seconds to end well, where `close` has no end
