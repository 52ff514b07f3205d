"""The newest picture of a stream, decoding as little as will do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from ..context import PluginContext
from ..errors import NotReady
from ..media import MOST_PIXELS, Unreadable
from .chain import Chain, arrived
from .reader import LAST_MOMENT, Explain, Open, Opened, Reader, reading
from .shots import Shot, frame_shot, jpeg_shot

_SILENT: Final = "is it overloaded, or the network down? it is opened again"

UNDECODED: Final = 60.0
"""Seconds without a picture, though data arrive, after which the stream is opened anew; `patience`, if that is more."""


class Video:
    """Use `Video.open`."""

    def __init__(
        self, context: PluginContext, reader: Reader, opened: Opened, every: float, quality: int, timeout: float
    ) -> None:
        self.opened = opened
        self.decoded = 0
        """Pictures decoded so far."""
        self._context = context
        self._reader = reader
        self._every = every
        self._quality = quality
        self._timeout = timeout
        self._decoder: Any = None
        self._chain = Chain()
        """The one the decoder is in the middle of."""
        self._broken = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        context: PluginContext,
        open_container: Open,
        explain: Explain,
        *,
        every: timedelta,
        quality: int,
        patience: timedelta,
    ) -> AsyncIterator[Video]:
        """Connects; raises NotReady when that takes longer than `patience`, and what `explain` makes of errors.

        `every` is how often a picture will be asked for; a key frame that is no older is new enough. `patience` also
        says how long the camera may be silent.
        """
        seconds, clock = patience.total_seconds(), context.clock
        async with reading(f"fras.{context.instance_id}-stream", open_container, explain, clock) as reader:
            deadline = clock.monotonic() + seconds + LAST_MOMENT  # what opens it knows better what is wrong
            while True:
                reader.listen()
                if (opened := reader.opened) is not None:
                    break
                if clock.monotonic() >= deadline:
                    raise NotReady(f"the camera did not begin within {seconds:g} s", hint=_SILENT)
                await reader.news(deadline - clock.monotonic())
            yield cls(context, reader, opened, every.total_seconds(), quality, seconds)

    async def newest(self, within: float | None = None) -> Shot:
        """The newest picture not asked for before; waits for one.

        Raises NotReady when the camera falls silent, or what it sends gives no picture `within` so many seconds.
        """
        clock, reader = self._context.clock, self._reader
        begun = clock.monotonic()
        due = begun + (max(UNDECODED, self._timeout) if within is None else within)
        while True:
            reader.listen()
            chain = reader.chain
            if chain and not (self._broken and chain is self._chain):
                shot = await self._context.run_blocking(self._decode, chain)
                if shot is not None:
                    return shot
            now = clock.monotonic()
            if now >= min(reader.latest + self._timeout, due):
                raise self._nothing(begun, now)
            await reader.news(min(reader.latest + self._timeout, due) - now)

    def _nothing(self, begun: float, now: float) -> NotReady:
        """Why there has been no picture since `begun`."""
        silent, unkeyed = now - self._reader.latest, now - self._reader.keyed
        if silent >= min(self._timeout, now - begun):
            return NotReady(f"the camera has sent nothing for {min(silent, self._timeout):.2g} s", hint=_SILENT)
        if unkeyed >= now - begun:
            return NotReady(
                f"the camera is connected ({self.opened}), and has sent no key frame for {unkeyed:.0f} s",
                hint="shorten the key-frame interval (GOP) in its settings, and switch off smart codecs",
            )
        return NotReady(
            f"what the camera sends ({self.opened}) gives no picture",
            hint="choose H.264, H.265 or MJPEG in its settings",
        )

    def _decode(self, chain: Chain) -> Shot | None:
        """The picture of the key frame while that is new enough, else of the newest frame; None if there is none yet.

        Blocks. Stops at the next key frame: a decoder slower than its stream leaves out what it cannot manage.
        """
        if self.opened.codec == "mjpeg":
            return self._passed_through(chain)
        import av

        if chain is not self._chain:
            self._begin(chain)
        head = chain.head
        to_the_end = not head.packet.is_keyframe or self._context.clock.monotonic() - head.monotonic > self._every
        frame = None
        for _ in range(len(chain)):
            try:
                for frame in self._decoder.decode(chain.take().packet):  # noqa: B007 the last one counts
                    self.decoded += 1
            except av.FFmpegError:
                self._broken = True  # what follows builds on it: wait for the next key frame
                while chain:
                    chain.take()
                break
            if (frame is not None and not to_the_end) or self._reader.chain is not chain:
                break
        if frame is None:
            return None
        return frame_shot(arrived(frame), frame, self._quality, self._decoder.sample_aspect_ratio)

    def _passed_through(self, chain: Chain) -> Shot | None:
        packet = chain.take().packet
        try:
            return jpeg_shot(arrived(packet), bytes(packet))
        except Unreadable:
            return None

    def _begin(self, chain: Chain) -> None:
        from av import CodecContext

        if self._decoder is None:
            self._decoder = CodecContext.create(self.opened.codec, "r")
            self._decoder.extradata = self.opened.extradata
            if self.opened.codec == "rawvideo":
                self._decoder.width, self._decoder.height = self.opened.width, self.opened.height
                self._decoder.pix_fmt = self.opened.pixels
            self._decoder.thread_count = 1  # more would hold frames back, and there are other cameras
            self._decoder.options = {"max_pixels": str(MOST_PIXELS)}
        else:
            self._decoder.flush_buffers()  # a decoder that reorders still holds the last pictures of the old chain
        self._chain, self._broken = chain, False
