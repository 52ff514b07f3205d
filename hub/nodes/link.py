"""One WebSocket to a node: messages out, messages and pictures in, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from node.wire import (
    Close,
    FromHub,
    FromNode,
    Picture,
    WireError,
    decode_from_node,
    decode_picture,
    encode,
)

from .registry import CLOSE, Refusal

LARGEST_PICTURE: Final = 4 << 20
"""Bytes of a JPEG; 12 megapixels at quality 85 are fewer."""
LARGEST_MESSAGE: Final = LARGEST_PICTURE + 4096
"""Room for a longer header of a later version."""
SEND_WITHIN: Final = 30.0
"""Seconds for a message to go out to a node that reads slowly."""
CLOSE_WITHIN: Final = 1.0
"""Seconds that the other side's farewell is waited for."""


class End(Exception):
    """The connection is to end. `detail` is for the log, and holds nothing that the other side sent."""

    def __init__(self, refusal: Refusal | None, close: Close | None = None, detail: str = "") -> None:
        super().__init__(detail or str(refusal or ""))
        self.refusal = refusal
        self.close = close or (CLOSE.get(refusal, Close.UNAUTHORISED) if refusal else None)


class Gone(Exception):
    """The other side has ended the connection, or it broke."""


class Link:
    """Use it for one connection; `close` must be called in the end."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, address: str) -> None:
        self.address = address
        self._socket = socket
        self._transport = transport

    async def send(self, message: FromHub) -> None:
        """Raises Gone."""
        try:
            async with asyncio.timeout(SEND_WITHIN):
                await self._socket.send_str(encode(message))
        except (ConnectionError, TimeoutError, RuntimeError) as error:
            raise Gone from error

    async def receive(self) -> FromNode | Picture | None:
        """The next message; None for one that a newer node may send. Raises End for a broken rule, and Gone."""
        found = await self._socket.receive()
        try:
            if found.type is WSMsgType.TEXT:
                return decode_from_node(found.data)
            if found.type is WSMsgType.BINARY:
                return decode_picture(found.data)
        except WireError as error:
            raise End(Refusal.MALFORMED, detail=str(error)) from None
        if isinstance(found.data, WebSocketError):
            large = found.data.code == WSCloseCode.MESSAGE_TOO_BIG
            raise End(Refusal.TOO_LARGE if large else Refusal.MALFORMED, detail="by the rules of WebSockets")
        raise Gone

    async def close(self, close: Close | None) -> None:
        """Ends it without waiting long; None where the other side has already."""
        with suppress(ConnectionError, TimeoutError, RuntimeError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._socket.close(code=close or 1000, message=close.name.lower().encode() if close else b"")
        self._transport.abort()
