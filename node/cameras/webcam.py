"""A webcam, or any other Video4Linux device, through PyAV: for a node that is no Raspberry Pi, or has no ribbon cable.

JPEGs that the camera makes by itself are kept as they are; of a camera without them the pictures are encoded here. The
device hands out the oldest picture first, so a thread reads all there are and passes on what is waited for.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import voluptuous as vol

from node.camera import CameraError, Luma
from node.clock import Clock
from node.jpegs import JpegLook, Masker
from node.orders import Orders
from node.wire import Moment

if TYPE_CHECKING:
    from PIL import Image

Taken: TypeAlias = "tuple[Moment, bytes | Image.Image]"
logger = logging.getLogger("fras.node")


def _device(value: Any) -> str:
    """A number is short for /dev/video<number>."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"/dev/video{value}"
    if isinstance(value, str) and value.startswith("/dev/"):
        return value
    raise vol.Invalid("is no device: a number (0 is /dev/video0), or a path below /dev/v4l/by-id")


CONFIG_SCHEMA: Final = {vol.Optional("device", default="/dev/video0"): _device}

FORMAT: Final = "v4l2"
"""What FFmpeg calls Video4Linux."""
BY_ID: Final = Path("/dev/v4l/by-id")
"""Names that stay the same in whatever order cameras are plugged in."""
PATIENCE: Final = 10.0
"""Seconds without a picture after which the camera counts as stuck."""
FAREWELL: Final = 2.0
MISSING: Final = "This camera needs PyAV and Pillow: sudo apt install --no-install-recommends python3-av python3-pil."
END: Final = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class RawLook:
    """Of a camera that makes no JPEGs."""

    at: Moment
    luma: Luma
    picture: Image.Image
    masker: Masker

    async def jpeg(self, quality: int) -> bytes:
        return await asyncio.to_thread(self.masker.jpeg_of, self.picture, quality)


class Webcam:
    """All of PyAV happens in one thread, which opens the device, reads it and closes it."""

    def __init__(self, av: Any, device: str, orders: Orders, clock: Clock) -> None:
        self._av = av
        self._device = device
        self._size = "x".join(map(str, orders.resolution))
        self._masker = Masker(orders.mask)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wanted: deque[asyncio.Future[Taken]] = deque()
        self._ended = ""
        self._stop = threading.Event()
        # Not of asyncio's pool: a driver that hangs would hold one of its few threads.
        self._thread = threading.Thread(target=self._run, name="fras.webcam", daemon=True)
        self._thread.start()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[JpegLook | RawLook]:
        at, picture = await self._next()
        if isinstance(picture, bytes):
            yield JpegLook(at, await asyncio.to_thread(self._masker.luma, picture), picture, self._masker)
        else:
            luma = await asyncio.to_thread(self._masker.luma_of, picture)
            yield RawLook(at, luma, picture, self._masker)

    async def close(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join, FAREWELL)
        if self._thread.is_alive():
            logger.warning("%s does not end. If that lasts, unplug it.", self._device)

    async def _next(self) -> Taken:
        if self._ended:
            raise CameraError(self._ended)
        wanted: asyncio.Future[Taken] = self._loop.create_future()
        self._wanted.append(wanted)
        try:
            async with asyncio.timeout(PATIENCE):
                return await wanted
        except TimeoutError:
            raise CameraError(f"{self._device} sends no pictures: unplug it, and plug it in again.") from None

    # ---- in its thread

    def _run(self) -> None:
        ended = f"{self._device} sends nothing more."
        try:
            with self._open() as container:
                stream = container.streams.video[0]
                for packet in container.demux(stream):
                    if self._stop.is_set():
                        break
                    if self._wanted and packet.size:
                        self._pass_on(packet, stream.codec_context.name)
        except OSError as error:  # av.FFmpegError is one
            ended = explain(error, self._device)
        except Exception as error:
            ended = f"{self._device} failed: {str(error)[:200] or type(error).__name__}."
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._end, ended)

    def _open(self) -> Any:
        """The driver takes the size that is nearest. Raises OSError."""
        options = {"video_size": self._size}
        try:
            return self._av.open(self._device, "r", format=FORMAT, options={**options, "input_format": "mjpeg"})
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return self._av.open(self._device, "r", format=FORMAT, options=options)  # it makes no JPEGs

    def _pass_on(self, packet: Any, codec: str) -> None:
        at = self._clock.now()
        picture: bytes | Image.Image
        if codec == "mjpeg":
            picture = bytes(packet).rstrip(b"\0")  # what the driver reserved, and the camera did not need
            if not picture.endswith(END):
                return
        else:
            frames = packet.decode()
            if not frames:
                return
            picture = frames[0].to_image()
        while self._wanted:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, self._wanted.popleft(), (at, picture))

    # ---- in the loop's

    def _end(self, problem: str) -> None:
        self._ended = problem
        while self._wanted:
            wanted = self._wanted.popleft()
            if not wanted.done():
                wanted.set_exception(CameraError(problem))


def _settle(wanted: asyncio.Future[Taken], taken: Taken) -> None:
    if not wanted.done():  # nobody waits any more
        wanted.set_result(taken)


@asynccontextmanager
async def open_camera(options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[Webcam]:
    """What is wrong with the device is said by the first look."""
    try:
        av = await asyncio.to_thread(importlib.import_module, "av")
        await asyncio.to_thread(importlib.import_module, "PIL.Image")
    except ImportError:
        raise CameraError(MISSING) from None
    logging.getLogger("libav").setLevel(logging.CRITICAL)  # what FFmpeg says, `explain` says better
    camera = Webcam(av, options["device"], orders, clock)
    try:
        yield camera
    finally:
        await camera.close()


def explain(error: OSError, device: str) -> str:
    """What an error of opening or reading `device` means, and what to do."""
    there = Path(device).exists()
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{device} may not be used by this user: sudo usermod -aG video USER, then log in again."
    if error.errno == errno.EBUSY and _is_ours(device):
        return f"{device} does not answer any more: unplug it, and plug it in again."
    if error.errno == errno.EBUSY:
        return f"{device} is used by another program: end that. sudo fuser -v {device} names it."
    if not there:
        return f"{device} is not there: plug the camera in. {_present()}"
    if error.errno in (errno.ENODEV, errno.ENOTTY, errno.EINVAL, errno.ENXIO, errno.EISDIR):
        return f"{device} takes no pictures: give `device` another number. {_present()}"
    return f"{device} failed: {error.strerror}. Unplug it, and plug it in again."


def _is_ours(device: str) -> bool:
    """Whether this process itself has it open: by a thread that hangs in the driver."""
    target = os.path.realpath(device)
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(descriptor.readlink()) == target:
                return True
    return False


def _present() -> str:
    try:
        names = sorted(str(path) for path in BY_ID.iterdir() if path.name.endswith("-index0"))
    except OSError:
        names = []
    return f"There are {', '.join(names)}." if names else "No camera is plugged in now."
