"""What befalls connections of a FaultProxy: each kind of fault, as HTTP and as RTSP have it, and what counts it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import rtsp_server
from .s3_servers import Fault, FaultProxy, answer, drip, hang, noise


def behaving(behave: rtsp_server.Behave) -> Fault:
    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behave(reader, writer)

    return fault


async def forward_http(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A fault that strikes while a request is under way is given that request, too."""
    there, back = await proxy.upstream()
    under_way = bytearray()

    async def ask() -> None:
        while data := await reader.read(65536):
            under_way.extend(data)
            back.write(data)

    async def tell() -> None:
        while data := await there.read(65536):
            under_way.clear()
            writer.write(data)
            await writer.drain()

    asking, telling = asyncio.create_task(ask()), asyncio.create_task(tell())
    try:
        await asyncio.wait([asking, telling], return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        if not asking.done():
            reader.feed_data(bytes(under_way))
        raise
    finally:
        asking.cancel()
        telling.cancel()
        await asyncio.gather(asking, telling, return_exceptions=True)
        back.transport.abort()


async def forward_rtsp(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends between two messages, so that what a fault says next is read as a message, too."""
    there, back = await proxy.upstream()

    async def ask() -> None:
        while data := await reader.read(4096):
            back.write(data)
        back.transport.abort()

    asking = asyncio.create_task(ask())
    try:
        while True:
            writer.write(await rtsp_server.message(there))
            await writer.drain()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        back.transport.abort()


async def spoil_tls(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Below the encryption comes a record that nobody has encrypted."""
    os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
    await reader.read()


class Counted:
    """A fault, and how many connections it has befallen: those it has said something on.

    A `silent` one befalls whatever it is given. As a callback of TLS: how many were shown a certificate.
    """

    def __init__(self, fault: Fault, silent: bool) -> None:
        self._fault = fault
        self._silent = silent
        self.times = 0

    async def befall(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._silent:
            self.greeted()
        await self._fault(proxy, reader, writer if self._silent else _Heard(writer, self.greeted))  # type: ignore[arg-type]

    def greeted(self, *_: object) -> None:
        self.times += 1


class _Heard:
    """A StreamWriter; `say` is called whenever something is written."""

    def __init__(self, writer: asyncio.StreamWriter, say: Callable[[], None]) -> None:
        self._writer = writer
        self._say = say

    def write(self, data: bytes) -> None:
        self._say()
        self._writer.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


@dataclass(frozen=True)
class Ill:
    """What befalls connections: `http`, `rtsp`, and `streaming` a stream that has begun; None refuses and cuts.

    `tls`: at the start it is the certificate.
    """

    http: Fault | None
    rtsp: Fault | None
    streaming: Fault | None
    silent: bool = False
    tls: bool = False


FAULTS = {
    "refuse": Ill(None, None, None),
    "hang": Ill(hang, behaving(rtsp_server.hang), behaving(rtsp_server.hang), silent=True),
    "drip": Ill(drip, behaving(rtsp_server.drip), behaving(rtsp_server.drip)),
    "4xx": Ill(
        answer("403 Forbidden", b"<html>"),
        behaving(rtsp_server.answering("403 Forbidden")),
        behaving(rtsp_server.telling("454 Session Not Found")),
    ),
    "5xx": Ill(
        answer("500 Oops", b"<html>"),
        behaving(rtsp_server.answering("500 Oops")),
        behaving(rtsp_server.telling("503 Service Unavailable", ends=True)),
    ),
    "garbage": Ill(noise(b"\x00\xff" * 500), behaving(rtsp_server.garbage), behaving(rtsp_server.garbage)),
    "tls": Ill(spoil_tls, spoil_tls, spoil_tls, silent=True, tls=True),
}
