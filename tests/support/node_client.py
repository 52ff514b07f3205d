"""A small, honest node: a WebSocket over pinned TLS that says what it is told to, by `node.wire`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

from node.wire import (
    PATH,
    Accepted,
    Acknowledged,
    FromHub,
    FromNode,
    Hello,
    Invitation,
    Moment,
    Pair,
    Picture,
    PictureKind,
    Ping,
    Pong,
    TakeSnapshot,
    Waiting,
    Watched,
    Welcome,
    decode_from_hub,
    encode,
    encode_picture,
)

T = TypeVar("T")
WITHIN = 20.0
JPEG = b"\xff\xd8\xff\xe0 a picture"


class Pins(aiohttp.Fingerprint):
    """Lets a connection be used only where the key of the certificate is one of these."""

    def __init__(self, pins: Iterable[bytes]) -> None:
        super().__init__(b"\0" * 32)
        self._pins = tuple(pins)

    def check(self, transport: asyncio.Transport) -> None:
        link = transport.get_extra_info("ssl_object")
        key = load_der_x509_certificate(link.getpeercert(binary_form=True)).public_key()
        found = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
        if found not in self._pins:
            raise aiohttp.ServerFingerprintMismatch(self._pins[0], found, "", 0)


class Closed(Exception):
    """The hub ended the connection, with this code."""

    def __init__(self, code: int | None) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class Board:
    """What survives a connection. `clock` is how far the wall clock is ahead, in µs."""

    pins: tuple[bytes, ...]
    port: int
    host: str = "127.0.0.1"
    credential: bytes = field(default_factory=lambda: os.urandom(32))
    node: str = ""
    epoch: int = 0
    last: int = 0
    boot: int = field(default_factory=lambda: int.from_bytes(os.urandom(4)))
    booted: int = field(default_factory=lambda: time.monotonic_ns() - 3600 * 10**9)
    ahead: int = 0
    synchronised: bool = False

    @classmethod
    def invited(cls, uri: str) -> tuple[Board, bytes]:
        """A board that found this invitation, and its token."""
        found = Invitation.of(uri)
        return cls((found.pin, found.backup), found.port), found.token

    def now(self) -> Moment:
        mono = (time.monotonic_ns() - self.booted) // 1000
        return Moment(time.time_ns() // 1000 + self.ahead, mono, self.boot, self.synchronised)

    def hello(self, **other: Any) -> Hello:
        said = {
            "node": self.node,
            "credential": self.credential,
            "epoch": self.epoch,
            "last": self.last,
            "now": self.now(),
            "software": "test 1",
        }
        return Hello(**said | other)  # type: ignore[arg-type]

    def number(self) -> int:
        self.last += 1
        return self.last

    def frame(self, jpeg: bytes = JPEG, *, live: bool = False, number: int = 0, at: Moment | None = None) -> Picture:
        return Picture(PictureKind.FRAME, number or self.number(), at or self.now(), jpeg, live)

    def watched(self, lens: float | None = None) -> Watched:
        return Watched(self.number(), self.now(), lens)


class Talk:
    """One connection. Pings are answered while something else is waited for, unless `mute`."""

    def __init__(self, board: Board, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.board = board
        self.socket = socket
        self.mute = False
        self.heard: list[FromHub] = []
        self.pings = 0

    async def send(self, *messages: FromNode | Picture) -> None:
        for message in messages:
            if isinstance(message, Picture):
                await self.socket.send_bytes(encode_picture(message))
            else:
                await self.socket.send_str(encode(message))

    async def receive(self) -> FromHub:
        """The next message that is no ping. Raises Closed."""
        while True:
            async with asyncio.timeout(WITHIN):
                found = await self.socket.receive()
            if found.type is aiohttp.WSMsgType.CLOSE and found.data:
                raise Closed(int(found.data))  # aiohttp forgets it where it cannot answer any more
            if found.type is not aiohttp.WSMsgType.TEXT:
                raise Closed(self.socket.close_code)
            message = decode_from_hub(found.data)
            if isinstance(message, Ping):
                self.pings += 1
                if not self.mute:
                    await self.send(Pong(message.ping, self.board.now()))
            elif message is not None:
                self.heard.append(message)
                return message

    async def expect(self, kind: type[T]) -> T:
        """The next message of this kind; others are passed over."""
        while True:
            message = await self.receive()
            if isinstance(message, kind):
                return message

    async def closed(self) -> int | None:
        """How the hub ends the connection; waits for it."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed.code

    async def acknowledged(self, count: int) -> list[int]:
        """The next numbers that are acknowledged, so many."""
        found: list[int] = []
        while len(found) < count:
            for first, last in (await self.expect(Acknowledged)).ranges:
                found += range(first, last + 1)
        return found

    async def pair(self, token: bytes, **other: Any) -> Accepted:
        await self.send(Pair(**{"token": token, "credential": self.board.credential, "software": "test 1"} | other))
        accepted = await self.expect(Accepted)
        self.board.node, self.board.epoch = accepted.node, accepted.epoch
        return accepted

    async def show(self, jpeg: bytes = JPEG) -> None:
        """What it sees, to the hub that asks for it."""
        asked = await self.expect(TakeSnapshot)
        await self.send(Picture(PictureKind.SNAPSHOT, asked.request, self.board.now(), jpeg))

    async def hello(self, **other: Any) -> Welcome:
        """Says hello, renumbers when asked to, and waits for the welcome."""
        await self.send(self.board.hello(**other))
        return await self.expect(Welcome)

    async def waiting(self) -> Waiting:
        return await self.expect(Waiting)


@cache
def unchecked() -> ssl.SSLContext:
    """TLS with whoever answers; it is the pins that count."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def connected(board: Board) -> AsyncIterator[Talk]:
    connector = aiohttp.TCPConnector(ssl=unchecked())
    async with aiohttp.ClientSession(connector=connector) as session:
        host = f"[{board.host}]" if ":" in board.host else board.host
        address = f"wss://{host}:{board.port}{PATH}"
        async with session.ws_connect(address, ssl=Pins(board.pins), max_msg_size=1 << 20) as socket:
            yield Talk(board, socket)


async def refused(board: Board, *messages: FromNode | Picture | str | bytes) -> int | None:
    """How a connection ends that begins with these."""
    async with connected(board) as talk:
        for message in messages:
            if isinstance(message, str):
                await talk.socket.send_str(message)
            elif isinstance(message, bytes):
                await talk.socket.send_bytes(message)
            else:
                await talk.send(message)
        return await talk.closed()
