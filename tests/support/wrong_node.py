"""A small node, written by docs/node-protocol.md alone, that does one thing wrong when told so."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp

from node.clock import BoardClock
from node.wire import (
    LIVE_US,
    PATH,
    Accepted,
    Acknowledged,
    Close,
    Configure,
    Configured,
    Credential,
    FromNode,
    Health,
    Hello,
    Identify,
    Invitation,
    Moment,
    Pair,
    Picture,
    PictureKind,
    Ping,
    Pong,
    Refused,
    Rotate,
    TakeSnapshot,
    Update,
    Waiting,
    Watched,
    Welcome,
    decode_from_hub,
    encode,
    encode_picture,
)
from tests.support.node_client import JPEG, Pins

PAUSE: Final = 0.1
LONGEST: Final = 5.0
SILENCE: Final = 2.0
EVERY: Final = 0.1
"""Seconds between two entries."""


class Over(Exception):
    """The node ends the connection."""


@dataclass
class WrongNode:
    """`log`: what is not acknowledged yet, by number."""

    invitation: Invitation
    fault: str = ""
    credential: bytes = field(default_factory=lambda: os.urandom(32))
    offered: bytes | None = None
    node: str = ""
    epoch: int = 0
    last: int = 0
    log: dict[int, Picture | Watched] = field(default_factory=dict)
    refused: list[Picture | Watched] = field(default_factory=list)
    closed: int | None = None

    async def run(self) -> None:
        """Until it was removed, or cancelled."""
        while True:
            with suppress(aiohttp.ClientError, OSError, Over):
                await self._connect()
            if self.closed == Close.REVOKED and self.fault != "does not forget":
                return
            if self.closed == Close.UNAUTHORISED and self.fault != "insists on the new credential":
                self.offered = None
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        if self.closed == Close.MALFORMED and self.fault != "is never patient":
            return LONGEST
        return LONGEST if self.closed == Close.STOPPING and self.fault == "stays away after a restart" else PAUSE

    async def _connect(self) -> None:
        self.closed = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        pins = [self.invitation.pin] + [self.invitation.backup] * (self.fault != "knows one key only")
        trusted: Any = context if self.fault == "trusts any key" else Pins(pins)
        path = PATH
        if self.fault == "shows its token in the URL":
            path += "?token=" + urlsafe_b64encode(self.invitation.token).decode().rstrip("=")
        address = f"wss://{self.invitation.host}:{self.invitation.port}{path}"
        subprotocols = ("fras",) if self.fault == "asks for a subprotocol" else ()
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.ws_connect(address, ssl=trusted, protocols=subprotocols) as socket,
        ):
            await Connection(self, socket).run()


@dataclass
class Connection:
    me: WrongNode
    socket: aiohttp.ClientWebSocketResponse
    clock: BoardClock = field(default_factory=BoardClock)
    waiting: bool = False
    credits: int = 0
    active: bool = True
    behind: int = 0

    async def run(self) -> None:
        await self._greet()
        telling = asyncio.create_task(self._tell())
        try:
            while True:
                found = await self.socket.receive(None if self.me.fault == "bears silence" else SILENCE)
                if found.type is not aiohttp.WSMsgType.TEXT:
                    break
                await self._take(found.data)
        except TimeoutError:
            await self.socket.close(code=Close.SILENT)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            self.me.closed = self.socket.close_code

    async def _send(self, message: FromNode | Picture) -> None:
        if isinstance(message, Picture):
            data = encode_picture(message)
            if self.me.fault == "sums wrongly":
                data = data[:-1] + bytes([data[-1] ^ 1])
            await self.socket.send_bytes(data)
        else:
            await self.socket.send_str(encode(message))

    async def _greet(self) -> None:
        me, now = self.me, self.clock.now()
        if me.node or me.fault == "says hello before it was paired":
            epoch = me.epoch + (me.fault == "says another epoch")
            last = 0 if me.fault == "says too low a last" else me.last
            await self._send(Hello(me.node or "n-me", me.offered or me.credential, epoch, last, now, "test 1"))
            return
        if me.fault == "makes a credential each time":
            me.credential = os.urandom(32)
        token = os.urandom(16) if me.fault == "says another token" else me.invitation.token
        await self._send(Pair(token, me.credential, "test 1"))

    async def _tell(self) -> None:
        """The log, then something new, as long as there are credits."""
        told: set[int] = set()
        while True:
            await asyncio.sleep(EVERY)
            early = self.waiting and self.me.fault == "does not wait for confirmation"
            if not (self.credits > 0 or early or (self.behind and self.me.fault == "takes no heed of credits")):
                continue
            if self.me.fault == "sends what was refused" and self.me.refused and self.behind > 1:
                await self._send(self._now(self.me.refused.pop()))
                continue
            left = [number for number in sorted(self.me.log) if number not in told]
            if self.me.fault == "sends nothing again":
                left = []
            number = left[0] if left else self._new()
            if number:
                told.add(number)
                self.credits -= 1
                await self._send(self._now(self.me.log[number]))

    def _now(self, entry: Picture | Watched) -> Picture | Watched:
        """As it is said at present."""
        if isinstance(entry, Watched):
            return entry
        young = self.clock.now().mono - entry.at.mono < LIVE_US
        never, always = "says of nothing that it is live", "says of old frames that they are live"
        return replace(entry, live=self.me.fault == always or (young and self.me.fault != never))

    def _new(self) -> int:
        """The number of another entry; 0 where there is nothing to tell."""
        me, now = self.me, self.clock.now()
        me.last += 2 if me.fault == "leaves numbers out" else 1
        if me.last % 2 or me.fault == "never says watched":
            if not self.active and me.fault != "never rests":
                me.last -= 1
                return 0
            jpeg = b"\x89PNG" if me.fault == "sends PNG" else JPEG
            if me.fault == "says of old frames that they are live":
                now = replace(now, mono=now.mono - 20_000_000)
            me.log[me.last] = Picture(PictureKind.FRAME, me.last, now, jpeg + os.urandom(8))
        else:
            me.log[me.last] = Watched(me.last, now)
        return me.last

    async def _take(self, text: str) -> None:
        message = decode_from_hub(text)
        me = self.me
        if message is None and me.fault == "stumbles over what is new":
            raise Over
        if isinstance(message, Ping):
            if me.fault != "never says pong":
                ping = message.ping + (me.fault == "says pong with another number")
                await self._send(Pong(ping, self.clock.now()))
        elif isinstance(message, Accepted):
            await self._accepted(message)
        elif isinstance(message, Waiting):
            self.waiting = True
        elif isinstance(message, Welcome):
            await self._welcomed(message)
        elif isinstance(message, Acknowledged):
            if me.fault == "stumbles over acknowledgements" and len(message.ranges) > 1:
                raise Over
            self.credits += message.credits
            for first, last in message.ranges:
                for number in range(first, last + 1):
                    me.log.pop(number, None)
        elif isinstance(message, Refused):
            self.credits += message.credits
            if entry := me.log.pop(message.seq, None):
                me.refused.append(entry)
        elif isinstance(message, Configure):
            await self._configure(message)
        elif isinstance(message, TakeSnapshot):
            if me.fault != "takes no snapshots":
                await self._send(Picture(PictureKind.SNAPSHOT, message.request, self.clock.now(), JPEG))
        elif isinstance(message, Identify | Update):
            if me.fault == "stumbles over an update":
                raise Over
        elif isinstance(message, Rotate):
            if me.fault != "keeps its credential":
                me.offered, me.credential = os.urandom(32), me.offered or me.credential
            await self._send(Credential(me.offered or me.credential))

    async def _accepted(self, message: Accepted) -> None:
        me = self.me
        renamed = bool(me.node)
        me.node = message.node
        if renamed and me.fault == "does not renumber":
            await self._greet()
            return
        me.epoch = message.epoch
        if renamed:
            me.log, me.last = {}, 0
            await self._greet()

    async def _welcomed(self, message: Welcome) -> None:
        me = self.me
        self.waiting, self.behind, self.credits = False, self.behind + 1, message.credits
        if me.refused:
            self.behind = 2
        for number in [number for number in me.log if number <= message.acknowledged]:
            del me.log[number]
        if me.fault == "numbers other things anew":
            me.log = {number: Watched(number, self._later()) for number in me.log}
        if me.fault != "never says configured":
            await self._send(Configured(message.version))
        if me.fault == "says health wrongly":
            await self.socket.send_str(json.dumps({"type": "health", "uptime": "long"}))
        elif me.fault != "never says health":
            await self._send(Health(1.0))
        if me.fault == "chatters":
            for _ in range(80):
                await self._send(Health(1.0))

    def _later(self) -> Moment:
        now = self.clock.now()
        return replace(now, mono=now.mono + 1)

    async def _configure(self, message: Configure) -> None:
        wrong = not isinstance(message.config.get("interval"), int | float)
        if wrong and self.me.fault != "obeys anything":
            await self._send(Configured(message.version, "interval is no number"))
            return
        self.active = not message.config.get("active")
        if self.me.fault != "never says configured":
            await self._send(Configured(message.version))
