"""A hub small enough to be wrong on purpose: the other end of a node's tests, on a real socket with real TLS.

It keeps the protocol's promises (what it acknowledged it has) and breaks connections as it is told. Imports nothing of
the hub and runs with aiohttp 3.8.4, since a Pi's node is tested with that.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node.wire import (
    PATH,
    Accepted,
    Acknowledged,
    Close,
    Configure,
    Configured,
    Credential,
    Dropped,
    FromHub,
    FromNode,
    Health,
    Hello,
    Invitation,
    Pair,
    Picture,
    PictureKind,
    Ping,
    Pong,
    Refused,
    Rotate,
    Rotated,
    Waiting,
    Watched,
    Welcome,
    decode_from_node,
    decode_picture,
    encode,
    proof_of,
)


class Key:
    """A key pair with a certificate for it; `context` is what a TLS server needs."""

    def __init__(self, folder: Path, name: str = "hub", key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1))  # noqa: DTZ001
            .not_valid_after(datetime(2021, 1, 1))  # noqa: DTZ001  # ran out: dates mean nothing to a node
            .sign(self.key, hashes.SHA256())
        )
        self.certificate = made.public_bytes(serialization.Encoding.DER)
        self.info = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.pin = sha256(self.info).digest()
        file = folder / f"{name}.pem"
        file.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)


@dataclass
class Faults:
    """What goes wrong. `cut_after`: a connection breaks after so many entries; `forget_acks`: no answer arrives;
    `modest`: a welcome says that nothing is known."""

    cut_after: int | None = None
    forget_acks: bool = False
    repeat_acks: bool = False
    acks_backwards: bool = False
    mute: bool = False
    modest: bool = False
    refuse: Callable[[int], str | None] = lambda number: None


@dataclass
class SmallHub:
    """`ledger`: (epoch, number) → the frame's bytes, "watched" or "dropped"; `proving`: a pin, in place of its own."""

    key: Key
    port: int = 0
    confirmed: bool = True
    credits: int = 8
    largest: int = 4_000_000
    config: Mapping[str, Any] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    ping_every: float = 20.0
    ahead_us: int = 0
    backup: bytes | None = None
    proving: bytes = b""
    tokens: dict[bytes, bytes | None] = field(default_factory=dict)
    nodes: dict[bytes, str] = field(default_factory=dict)
    epoch: int = 1
    ledger: dict[tuple[int, int], bytes | str] = field(default_factory=dict)
    deliveries: Counter[tuple[int, int]] = field(default_factory=Counter)
    lives: dict[tuple[int, int], bool] = field(default_factory=dict)
    drops: list[Dropped] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    said: list[FromNode] = field(default_factory=list)
    snapshots: dict[int, bytes] = field(default_factory=dict)
    connections: int = 0
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    transports: set[asyncio.Transport] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def invitation(self, host: str = "127.0.0.1", port: int | None = None) -> Invitation:
        token = os.urandom(16)
        self.tokens[token] = None
        return Invitation(host, port or self.port, token, self.key.pin, sha256(self.key.pin).digest())

    async def start(self) -> None:
        """On the port it had, if it had one."""
        app = web.Application()
        app.router.add_get(PATH, self._serve)
        quick: dict[str, Any] = {"shutdown_timeout": 0.1}
        old = aiohttp.__version__.startswith("3.8.")
        self._runner = web.AppRunner(app, handle_signals=False, **({} if old else quick))
        await self._runner.setup()
        place: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "ssl_context": self.key.context,
            "reuse_address": True,
        }
        site = web.TCPSite(self._runner, **place, **(quick if old else {}))
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        self.port = server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As if its power went: nothing is said."""
        self.cut()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Breaks every connection."""
        for transport in list(self.transports):
            transport.abort()

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 0.05)
                except TimeoutError:
                    continue

    async def say(self, message: FromHub) -> None:
        for socket in list(self.sockets):
            await socket.send_str(encode(message))

    async def close(self, code: int) -> None:
        for socket in list(self.sockets):
            await socket.close(code=code)

    def frames(self) -> list[bytes]:
        return [kept for kept in self.ledger.values() if isinstance(kept, bytes)]

    def heard(self, kind: type) -> list[Any]:
        return [message for message in self.said if isinstance(message, kind)]

    # ---- one connection

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=self.largest + 4096, compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert transport is not None
        self.connections += 1
        self.sockets.add(socket)
        self.transports.add(transport)
        pinging = asyncio.create_task(self._ping(socket))
        try:
            await self._talk(socket, transport)
        except (ConnectionError, RuntimeError):
            pass
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            self.sockets.discard(socket)
            self.transports.discard(transport)
        return socket

    async def _ping(self, socket: web.WebSocketResponse) -> None:
        for number in range(1, 1 << 30):
            await asyncio.sleep(self.ping_every)
            if not self.faults.mute:
                await socket.send_str(encode(Ping(number, self.now())))

    def now(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    async def _talk(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._name = self._epoch_of = None
        entries = 0
        async for found in socket:
            while self.faults.mute:
                await asyncio.sleep(0.02)
            if found.type is WSMsgType.TEXT:
                message: Any = decode_from_node(found.data)
            elif found.type is WSMsgType.BINARY:
                message = decode_picture(found.data)
            else:
                continue
            if isinstance(message, Picture) and message.kind is PictureKind.SNAPSHOT:
                self.snapshots[message.number] = message.jpeg
            elif isinstance(message, Picture | Watched | Dropped):
                entries += 1
                if self.faults.cut_after is not None and entries > self.faults.cut_after:
                    transport.abort()
                    return
                await self._keep(socket, message)
            else:
                self.said.append(message)
                if not await self._answer(socket, message):
                    return
            self.changed.set()

    async def _answer(self, socket: web.WebSocketResponse, message: FromNode) -> bool:
        if isinstance(message, Pair):
            if message.token not in self.tokens or self.tokens[message.token] not in (None, message.credential):
                await socket.close(code=Close.UNAUTHORISED)
                return False
            self.tokens[message.token] = message.credential
            self.epoch += bool(self.nodes) and message.credential not in self.nodes
            self.nodes.setdefault(message.credential, f"node-{len(self.nodes)}")
            was = next((credential for credential, name in self.nodes.items() if name == message.was), None)
            proof = was and proof_of(
                sha256(was).digest(), self.proving or self.key.pin, message.token, message.credential
            )
            await self._send(socket, Accepted(self.nodes[message.credential], self.epoch, proof))
            await self.welcome(socket)
        elif isinstance(message, Hello):
            if self.nodes.get(message.credential) != message.node:
                await socket.close(code=Close.UNAUTHORISED)
                return False
            highest = max((number for epoch, number in self.ledger if epoch == message.epoch), default=0)
            if message.epoch != self.epoch or message.last < highest:
                self.epoch += message.epoch == self.epoch
                await self._send(socket, Accepted(message.node, self.epoch))
            else:
                await self.welcome(socket)
        elif isinstance(message, Credential):
            (name,) = set(self.nodes.values())
            self.nodes[message.credential] = name
            await self._send(socket, Rotated())
        else:
            assert isinstance(message, Pong | Health | Configured), message
        return True

    async def welcome(self, socket: web.WebSocketResponse) -> None:
        if not self.confirmed:
            await self._send(socket, Waiting())
            return
        acknowledged = 0
        while not self.faults.modest and (self.epoch, acknowledged + 1) in self.ledger:
            acknowledged += 1
        version = sha256(repr(sorted(self.config.items())).encode()).hexdigest()
        welcome = Welcome(self.now(), self.credits, self.largest, acknowledged, version, self.config)
        await self._send(socket, replace(welcome, backup=self.backup))

    async def confirm(self) -> None:
        self.confirmed = True
        for socket in list(self.sockets):
            await self.welcome(socket)

    async def configure(self, config: Mapping[str, Any]) -> None:
        self.config = config
        await self.say(Configure(repr(config), config))

    async def _keep(self, socket: web.WebSocketResponse, entry: Picture | Watched | Dropped) -> None:
        if isinstance(entry, Dropped):
            self.drops.append(entry)
            first, last = entry.first, entry.last
        else:
            first = last = entry.number if isinstance(entry, Picture) else entry.seq
        if isinstance(entry, Watched):
            self.watched.append(entry)
        if reason := self.faults.refuse(first):
            await self._send(socket, Refused(first, reason, 1))
            return
        for number in range(first, last + 1):
            place = self.epoch, number
            self.deliveries[place] += 1
            kept: bytes | str = entry.jpeg if isinstance(entry, Picture) else type(entry).__name__.lower()
            if isinstance(entry, Picture):
                assert self.ledger.get(place, kept) == kept, f"{place} is given to two frames"
                self.lives.setdefault(place, entry.live)
            self.ledger.setdefault(place, kept)
        if self.faults.forget_acks:
            return
        spans = [(first, last)]
        if self.faults.acks_backwards:
            self._held = [*getattr(self, "_held", []), (first, last)]
            if len(self._held) < self.credits:
                return
            spans, self._held = self._held[::-1], []
        for span in spans:
            await self._send(socket, Acknowledged((span,), 1))
            if self.faults.repeat_acks:
                await self._send(socket, Acknowledged((span, span), 0))

    async def _send(self, socket: web.WebSocketResponse, message: FromHub) -> None:
        await socket.send_str(encode(message))

    async def rotate(self) -> None:
        await self.say(Rotate())


@asynccontextmanager
async def small_hub(folder: Path, **fields: Any) -> AsyncIterator[SmallHub]:
    folder.mkdir(exist_ok=True)
    hub = SmallHub(Key(folder), **fields)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.kill()
