"""Where the node under test comes to: a TLS listener whose key can be exchanged, and its connections one by one."""

from __future__ import annotations

import asyncio
import time
from base64 import b32encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import WSMsgType, web

from hub.failure import Failure
from hub.nodes.identity import open_identity, switch
from node.wire import (
    PATH,
    Acknowledged,
    Dropped,
    FromHub,
    FromNode,
    Picture,
    PictureKind,
    Watched,
    WireError,
    decode_from_node,
    decode_picture,
    encode,
)

from .demands import Demand
from .judge import LARGEST, Course, Judge

T = TypeVar("T")
FAREWELL: Final = 2.0


class Talk:
    """One connection. `heard` is all that the node said and that was a message; `settles`: acknowledge what comes;
    `mute`: say nothing more."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, judge: Judge, pings: float) -> None:
        self.course = Course()
        self.heard: list[FromNode | Picture] = []
        self.code: int | None = None
        self.settles = self.mute = False
        self.over = asyncio.Event()
        self._news = asyncio.Event()
        self._socket = socket
        self._transport = transport
        self._judge = judge
        self._pings = pings

    async def run(self) -> None:
        """Until the node has gone, or was sent away."""
        pinging = asyncio.create_task(self._ping())  # once the node has said who it is
        try:
            while (found := await self._socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    message = (
                        decode_from_node(found.data) if found.type is WSMsgType.TEXT else decode_picture(found.data)
                    )
                except WireError as error:
                    demand = Demand.MESSAGES if found.type is WSMsgType.TEXT else Demand.PICTURES
                    self._judge.verdicts.broken(demand, str(error), "as the page says")
                    continue
                if message is not None:
                    await self._take(message)
            self.code = int(found.data) if found.type is WSMsgType.CLOSE and found.data else None
        except (ConnectionError, RuntimeError):
            pass
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            self.over.set()
            self._news.set()

    async def send(self, *messages: FromHub | str) -> None:
        """Nothing where the node has gone, which shows in `over`."""
        for message in () if self.mute else messages:
            with suppress(ConnectionError, RuntimeError):
                await self._socket.send_str(message if isinstance(message, str) else encode(message))

    async def acknowledge(self, *spans: tuple[int, int], credits_back: int = 0) -> None:
        self.course.credits += credits_back
        self._judge.settled.update(n for first, last in spans for n in range(first, last + 1))
        await self.send(Acknowledged(spans, credits_back))

    async def until(self, condition: Callable[[], T], within: float) -> T | None:
        """What the condition gives once that is true; None when it is not within so many seconds, or the node goes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not (found := condition()) and not self.over.is_set():
                    self._news.clear()
                    await self._news.wait()
                return found or condition() or None
        return None

    async def first(self, kind: type[T], within: float, behind: int = 0) -> T | None:
        """The first message of a kind, of those behind so many."""
        return await self.until(lambda: next((m for m in self.heard[behind:] if isinstance(m, kind)), None), within)

    async def close(self, code: int) -> None:
        with suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.close(code=code)
        self.cut()
        await self.over.wait()

    def cut(self) -> None:
        """As if the network went."""
        self._transport.abort()

    async def _take(self, message: FromNode | Picture) -> None:
        self._judge.heard(self.course, message)
        self.heard.append(message)
        entry = isinstance(message, Watched | Dropped)
        if self.settles and (entry or (isinstance(message, Picture) and message.kind is PictureKind.FRAME)):
            await self.acknowledge(_span(message), credits_back=1)
        self._judge.verdicts.kept(Demand.MESSAGES)
        self._news.set()

    async def _ping(self) -> None:
        await self.until(lambda: self.heard, 3600.0)
        for number in count(1):
            if self.mute:
                return
            self.course.pongs[number] = time.monotonic()
            now = time.time_ns() // 1000
            await self.send(f'{{"type":"ping","ping":{number},"now":{now},"later":{{"in":"2"}},"note":null}}')
            await asyncio.sleep(self._pings)


def _span(entry: FromNode | Picture) -> tuple[int, int]:
    if isinstance(entry, Dropped):
        return entry.first, entry.last
    assert isinstance(entry, Picture | Watched)
    number = entry.number if isinstance(entry, Picture) else entry.seq
    return number, number


class StandIn:
    """Listens at an address and port, which stay the same with another key. `secrets`: in no URL or header.

    `pings`: seconds between two; more than a hub's, so that a frame's age is known well.
    """

    def __init__(self, folder: Path, judge: Judge, place: tuple[str, int], pings: float) -> None:
        self.identity = open_identity(folder / "hub")
        self.host, self.port = place
        self._pings = pings
        self.secrets: set[bytes] = set()
        self._folder = folder
        self._judge = judge
        self._came: asyncio.Queue[Talk] = asyncio.Queue()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """With the present key. Raises Failure."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._connected)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port, ssl_context=self.identity.tls(), reuse_address=True)
            try:
                await site.start()
            except OSError as error:
                raise Failure(
                    f"cannot listen at port {self.port} of {self.host}: {error.strerror}", hint="choose another --port"
                ) from None
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    async def come(self, within: float) -> Talk | None:
        """The next connection; None where nobody comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                return await self._came.get()
        return None

    async def stranger(self, within: float) -> int | None:
        """Listens with a key of nobody's until somebody came: how many bytes they said; None where nobody came."""
        told: asyncio.Queue[int] = asyncio.Queue()

        async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                told.put_nowait(len(await reader.read(4096)))
            writer.close()

        tls = open_identity(self._folder / "stranger").tls()
        server = await asyncio.start_server(heard, self.host, self.port, ssl=tls)
        async with server:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    return await told.get()
        return None

    def switch(self) -> None:
        """To the next key."""
        self.identity = switch(self._folder / "hub")

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        said = " ".join((request.path_qs, *request.headers.values()))
        asked = f"{request.path}, subprotocol {request.headers.get('Sec-WebSocket-Protocol', 'none')}"
        fine = request.path == PATH and "Sec-WebSocket-Protocol" not in request.headers
        self._judge.verdicts.judge(Demand.ADDRESS, fine, asked, f"{PATH} and no subprotocol")
        if any(form in said for secret in self.secrets for form in _forms(secret)):
            self._judge.verdicts.broken(
                Demand.ADDRESS, "a token or credential in URL or headers", "it in messages only"
            )
        socket = web.WebSocketResponse(max_msg_size=2 * LARGEST, compress=False)
        await socket.prepare(request)
        assert request.transport is not None
        talk = Talk(socket, request.transport, self._judge, self._pings)
        self._came.put_nowait(talk)
        await talk.run()
        return socket


def _forms(secret: bytes) -> tuple[str, ...]:
    """How a secret might be written."""
    return b32encode(secret).decode().rstrip("="), urlsafe_b64encode(secret).decode().rstrip("="), secret.hex()
