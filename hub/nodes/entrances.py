"""Where frames and heartbeats that are sent to the hub wait for the camera plugin that reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hub.plugin import CameraEvent, NotReady

PLACES = 8
"""Frames of one camera that may be on their way at once, each in memory."""


class Crowded(NotReady):
    """Too many frames of the camera are on their way already; nothing of this one was kept."""


class Closed(NotReady):
    """The camera has stopped reading; whether a frame under way was kept, sending it again tells."""


@dataclass(slots=True, eq=False)
class _Sent:
    event: CameraEvent
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Entrance:
    """What is sent to one camera, as an async iterator: asking for the next acknowledges the last.

    `orders` are what the node that sends is told to do, None where no node is meant to.
    """

    def __init__(self, camera: str, orders: Mapping[str, Any] | None = None) -> None:
        self.orders = orders
        self._camera = camera
        self._senders = 0
        self._waiting: deque[_Sent] = deque()
        self._handed_on: _Sent | None = None
        self._changed = asyncio.Event()
        self._closed = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """To be held while a frame is received and sent. Raises Crowded when there is none."""
        if self._senders >= PLACES:
            raise Crowded(f"camera {self._camera} sends faster than its frames are recognised", hint="send it again")
        self._senders += 1
        try:
            yield
        finally:
            self._senders -= 1

    async def send(self, event: CameraEvent) -> None:
        """Returns once the hub has acknowledged the event. Raises Closed when the camera stops before."""
        if self._closed:
            raise self._stopped()
        sent = _Sent(event)
        self._waiting.append(sent)
        self._changed.set()
        try:
            await sent.done
        finally:
            if sent in self._waiting:
                self._waiting.remove(sent)

    def __aiter__(self) -> Entrance:
        return self

    async def __anext__(self) -> CameraEvent:
        if self._handed_on is not None and not self._handed_on.done.done():
            self._handed_on.done.set_result(None)
        self._handed_on = None
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._handed_on = self._waiting.popleft()
        return self._handed_on.event

    def close(self) -> None:
        """Nobody reads any more: whoever is still sending learns it."""
        self._closed = True
        for sent in [*self._waiting, *([self._handed_on] if self._handed_on else [])]:
            if not sent.done.done():
                sent.done.set_exception(self._stopped())
        self._waiting.clear()
        self._changed.set()

    @property
    def closed(self) -> bool:
        return self._closed

    def _stopped(self) -> Closed:
        return Closed(f"camera {self._camera} is not reading now", hint="send it again; nothing counts twice")


class Entrances:
    """By camera. A camera plugin opens its own when it asks its context for what is `incoming()`."""

    def __init__(self) -> None:
        self._open: dict[str, Entrance] = {}
        self._opened = asyncio.Event()

    def open(self, camera: str, orders: Mapping[str, Any] | None = None) -> Entrance:
        """A new one; whoever still reads an older one of the same camera gets nothing more."""
        before = self._open.get(camera)
        if before is not None:
            before.close()
        self._open[camera] = Entrance(camera, orders)
        self._opened.set()
        self._opened.clear()
        return self._open[camera]

    def of(self, camera: str) -> Entrance | None:
        """That of a camera that is reading now."""
        entrance = self._open.get(camera)
        return None if entrance is None or entrance.closed else entrance

    async def reading(self, camera: str) -> Entrance:
        """That of the camera, once it is reading."""
        while (entrance := self.of(camera)) is None:
            await self._opened.wait()
        return entrance
