"""Reads a stream in a thread of its own and keeps no more than the newest of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..clock import Clock
from ..errors import NotReady, PluginError
from .chain import Arrival, Chain, dated

LONGEST_CHAIN: Final = 64_000_000
"""Bytes that may wait to be decoded; 20 s of 25 Mbit/s."""
MOST_PACKETS: Final = 4096
"""Packets that may; 68 s of 60 frames/s."""
LAST_MOMENT: Final = 0.5
"""Seconds that a thread gets to end when it is told to."""
HANGING: Final = 4
"""Threads of earlier connections that may not have ended when the next begins: they do so at their own timeouts."""

Open: TypeAlias = Callable[[], Any]
"""Opens an `av.container.InputContainer`. Blocks; raises av.FFmpegError or PluginError."""
Explain: TypeAlias = Callable[[Exception], PluginError]
"""What an error of opening or reading means to the hub."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What the stream says of itself; `pixels` is the format of uncompressed ones, `extradata` the codec's own."""

    codec: str
    width: int
    height: int
    rate: float
    pixels: str | None
    extradata: bytes | None

    def __str__(self) -> str:
        size = f" {self.width}×{self.height}" if self.width else ""
        rate = f", {self.rate:.3g} frames/s" if self.rate else ""
        return f"{self.codec.upper()}{size}{rate}"


class Reader:
    """Use `reading`. The thread writes, the event loop reads; both see whole attributes only."""

    def __init__(self, open_container: Open, explain: Explain, clock: Clock) -> None:
        self._open = open_container
        self._explain = explain
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._asked = False
        self._closed = False
        self._following = False
        self.opened: Opened | None = None
        self.error: PluginError | None = None
        self.chain = Chain()
        """Replaced at each key frame: whoever still decodes an older one is behind, and starts anew with this."""
        self.latest = 0.0
        """Monotonic time of the latest packet, at first of the opening."""
        self.keyed = 0.0
        """That of the latest key frame, at first of the opening."""

    def run(self) -> None:
        """Until the stream ends, fails or is closed; never raises."""
        try:
            with self._open() as container:
                self._read(container)
            self.error = NotReady("the camera ended the stream", hint="it is opened again")
        except Exception as error:
            self.error = self._explain(error)
        finally:
            self._open = self._explain = _forgotten
            self._tell()

    async def close(self) -> None:
        """The thread ends at the next packet, or when its own timeout strikes; that is not waited for."""
        self._closed = True
        self.chain = Chain()
        self._news.clear()
        self._asked = True
        if self.error is None:
            await self.news(LAST_MOMENT)

    def listen(self) -> None:
        """From now on `news` will know of a change. Raises what ended the reading."""
        self._news.clear()
        self._asked = True
        if self.error is not None:
            raise self.error

    async def news(self, seconds: float) -> None:
        """Waits for a change of any attribute since `listen`, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    def _read(self, container: Any) -> None:
        streams = container.streams.video
        if not streams:
            raise NotReady("the stream holds no picture, only sound or data", hint="choose the video stream's address")
        stream = streams[0]
        codec = stream.codec_context
        if codec is None:
            raise NotReady("the stream is in a format that cannot be decoded", hint="choose H.264, H.265 or MJPEG")
        rate = stream.average_rate or stream.guessed_rate
        self.latest = self.keyed = self._clock.monotonic()
        self.opened = Opened(codec.name, codec.width, codec.height, float(rate or 0), codec.pix_fmt, codec.extradata)
        self._tell()
        for packet in container.demux(stream):
            if self._closed:
                return
            if packet.size:
                self._keep(packet)

    def _keep(self, packet: Any) -> None:
        arrival = Arrival(dated(packet, self._clock.now()), self._clock.monotonic())
        self.latest = arrival.monotonic
        if packet.is_keyframe:
            self.keyed = arrival.monotonic
            self.chain, self._following = Chain(arrival), True
        elif self._following:
            self.chain.append(arrival)
            if self.chain.size > LONGEST_CHAIN or len(self.chain) > MOST_PACKETS:
                self.chain, self._following = Chain(), False  # nothing more until the next key frame
        self._tell()

    def _tell(self) -> None:
        if self._asked or self.error is not None:
            self._asked = False
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._news.set)


def _forgotten(*_: Any) -> Any:
    """In place of what an ended thread need not keep alive."""
    raise AssertionError


@asynccontextmanager
async def reading(name: str, open_container: Open, explain: Explain, clock: Clock) -> AsyncIterator[Reader]:
    """A Reader whose daemon thread is named `name`. Raises NotReady while too many earlier ones still hang."""
    hanging = sum(thread.name == name for thread in threading.enumerate())
    if hanging >= HANGING:
        raise NotReady(
            f"{hanging} earlier connections to the camera still hang in the system",
            hint="look after the name server, the network or the device's driver",
        )
    reader = Reader(open_container, explain, clock)
    threading.Thread(target=reader.run, name=name, daemon=True).start()
    try:
        yield reader
    finally:
        await reader.close()
