"""Where nodes come in: TLS with a key of its own, one address, and nothing but WebSockets."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from hub.failure import Failure
from node.wire import PATH

from .limits import neighbourhood
from .link import LARGEST_MESSAGE, Link
from .nodes import Nodes
from .registry import Refusal

quiet = logging.getLogger("fras.nodes.http")
quiet.setLevel(logging.CRITICAL)
"""What aiohttp says of strangers' bytes quotes them."""

STRANGERS: Final = 32
"""Connections that have yet to say who they are and are listened to; others wait for their turn."""
STRANGERS_OF_ONE: Final = 8
"""The same from one address."""
WAITING_OF_ONE: Final = 256
"""Connections of one address that may wait for their turn, those that have it included: a school behind one router."""
QUEUE: Final = 512
"""Connections of whatever kind beyond those of nodes; more are closed at once."""
TURN_WITHIN: Final = 15.0
TLS_WITHIN: Final = 10.0
STOP_WITHIN: Final = 2.0
BACKLOG: Final = 512


class Crowded(Exception):
    """Too many of this address wait already."""


@dataclass(slots=True)
class _Turns:
    """The places of one address, and how many wait for them or hold them."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(STRANGERS_OF_ONE))
    users: int = 0


class Listener:
    """Use `listening`."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._strangers: set[object] = set()
        self._turns = asyncio.Semaphore(STRANGERS)
        self._turns_of: dict[str, _Turns] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.on_response_prepare.append(_no_name)
        app.router.add_get(PATH, self._connected)
        return app

    def protocol(self, server: web.Server) -> asyncio.BaseProtocol:
        """A connection that must ask for something soon."""
        connection = server()
        self._strangers.add(connection)
        patience = TLS_WITHIN if len(self._strangers) <= QUEUE else 0
        asyncio.get_running_loop().call_later(patience, self._give_up, connection)
        return connection

    def _give_up(self, connection: web.RequestHandler) -> None:
        if connection in self._strangers:
            self._strangers.discard(connection)
            connection.force_close()

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        self._strangers.discard(request.protocol)
        address = request.remote or ""
        if self._nodes.failures.too_many(address, self._nodes.clock.monotonic()):
            self._nodes.refused[Refusal.TOO_OFTEN] += 1
            raise web.HTTPTooManyRequests
        socket = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, compress=False, timeout=STOP_WITHIN)
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(TURN_WITHIN):
                    await turn.enter_async_context(self._turn(neighbourhood(address)))
            except (TimeoutError, Crowded):
                self._nodes.refused[Refusal.CROWDED] += 1
                raise web.HTTPServiceUnavailable from None
            await socket.prepare(request)
            assert request.transport is not None
            link = Link(socket, request.transport, address)
            await self._nodes.serve(link, admitted=turn.aclose)
        return socket

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        """Fair among addresses: whoever holds all of its own places leaves the others theirs. Raises Crowded."""
        own = self._turns_of.setdefault(address, _Turns())
        if own.users >= WAITING_OF_ONE:
            raise Crowded
        own.users += 1
        try:
            async with own.places, self._turns:
                yield
        finally:
            own.users -= 1
            if not own.users:
                del self._turns_of[address]


async def _no_name(request: web.Request, response: web.StreamResponse) -> None:
    """Nobody need know what runs here in which version."""
    response.headers["Server"] = "FRAS"


@asynccontextmanager
async def listening(nodes: Nodes, tls: ssl.SSLContext, host: str, port: int) -> AsyncIterator[int]:
    """Serves nodes at `host` (empty: every address of this machine) and gives the port; 0 is any. Raises Failure.

    Leaving tells connected nodes to come again.
    """
    listener = Listener(nodes)
    runner = web.AppRunner(
        listener.application(),
        access_log=None,
        logger=quiet,
        handle_signals=False,
        shutdown_timeout=STOP_WITHIN,
        keepalive_timeout=STOP_WITHIN,
    )
    await runner.setup()
    try:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: listener.protocol(runner.server),  # type: ignore[arg-type]  # there is one after setup
                host or None,
                port,
                ssl=tls,
                ssl_handshake_timeout=TLS_WITHIN,
                ssl_shutdown_timeout=STOP_WITHIN,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise _not_there(host, port, error) from None
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await nodes.leave()
    finally:
        await runner.shutdown()
        await runner.cleanup()


def _not_there(host: str, port: int, error: OSError) -> Failure:
    where = f"port {port} of {host or 'this machine'}"
    if error.errno == errno.EADDRINUSE:
        return Failure(
            f"{where}, for nodes, is in use by another program, perhaps another hub",
            hint=f"stop that (ss -ltnp 'sport = :{port}' names it), or set another nodes: port: in hub.yaml",
        )
    reason = error.strerror or "the address cannot be used"
    return Failure(f"the hub cannot listen for nodes at {where}: {reason}", hint="set nodes: in hub.yaml")
