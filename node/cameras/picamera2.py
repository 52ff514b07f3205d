"""A camera module of the Raspberry Pi, through picamera2 (Debian package python3-picamera2 of Raspberry Pi OS).

Two streams of the same moment: `main`, which is encoded when a look is kept, and `lores`, whose luma is compared at
each look. Both are YUV420, half the memory of RGB and what the hardware encoder and the motion gate want. What is
masked is painted black into the buffers themselves before anything reads them: the hardware encoder sees black, too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import voluptuous as vol

from node.camera import CameraError, Luma
from node.cameras.exposure import AutoExposure
from node.clock import Clock
from node.deferred import deferred
from node.encoding import Encoder, open_encoder
from node.mask import mask_map
from node.orders import Orders
from node.wire import Moment

if TYPE_CHECKING:
    from node.mask import Map

T = TypeVar("T")
Taken: TypeAlias = "tuple[Any, Moment, Luma]"
"""A request of picamera2, to be released; when it was taken; its luma."""
logger = logging.getLogger("fras.node")

CONFIG_SCHEMA: Final = {
    vol.Optional("camera", default=0): vol.All(int, vol.Range(0, 9)),
    vol.Optional("rotate", default=0): vol.In((0, 180)),
    vol.Optional("exposure", default="auto"): vol.In(("auto", "short", "normal", "long")),
    vol.Optional("gain"): vol.All(vol.Any(int, float), vol.Range(1, 64)),
    vol.Optional("hardware", default=True): bool,
}
"""`camera`: its number; `exposure`: short keeps people who walk sharp, at the price of noise; auto is short, and long
while it is too dark for that; `gain`: held at this, else automatic; `hardware`: whether the board's JPEG encoder may be
used."""

LORES: Final = (640, 480)
"""Large enough to read an invitation held half a metre away (benchmarks/qr.py)."""
BUFFERS: Final = 3
SLOWEST: Final = 200_000
QUICKEST: Final = 33_333
"""Microseconds between two frames: each costs the board's processor something though nobody looks at it."""
PATIENCE: Final = 10.0
MISSING: Final = "picamera2 is not installed: sudo apt install --no-install-recommends python3-picamera2."
NO_CAMERA: Final = (
    "Camera {number} is not there: is its ribbon cable in, the right way round? rpicam-hello --list-cameras lists it."
)


class PiLook:
    def __init__(self, camera: PiCamera, request: Any, at: Moment, luma: Luma) -> None:
        self._camera = camera
        self._request = request
        self.at = at
        self.luma = luma

    async def jpeg(self, quality: int) -> bytes:
        return await self._camera.thread(partial(self._camera.encode, self._request, quality))


class PiCamera:
    """All calls of the driver are made one after the other, by whichever thread has the lock."""

    def __init__(
        self, driver: Any, mapped: Any, encoder: Encoder, orders: Orders, clock: Clock, modes: tuple[Any, Any] | None
    ) -> None:
        """`modes`: of automatic exposure, short and long, to be chosen between by what is seen."""
        self._driver = driver
        self._modes = modes
        self._exposure = AutoExposure()
        self._mapped = mapped
        self._encoder = encoder
        self._clock = clock
        self._lock = threading.Lock()
        self._abandoned: set[asyncio.Task[Taken]] = set()
        config = driver.camera_configuration()
        self._sizes: dict[str, tuple[int, int]] = {name: tuple(config[name]["size"]) for name in ("main", "lores")}
        self._masks: dict[str, Map | None] = {name: mask_map(orders.mask, *size) for name, size in self._sizes.items()}

    @asynccontextmanager
    async def look(self) -> AsyncIterator[PiLook]:
        taking = asyncio.create_task(self.thread(self._take))
        try:
            request, at, luma = await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._abandoned.add(taking)
            taking.add_done_callback(self._give_back)
            raise
        try:
            yield PiLook(self, request, at, luma)
        finally:
            await self.thread(request.release)

    async def thread(self, call: Callable[[], T]) -> T:
        """Raises CameraError for whatever the driver raises."""

        def alone() -> T:
            with self._lock:
                return call()

        try:
            return await asyncio.to_thread(alone)
        except CameraError:
            raise
        except Exception as error:
            raise CameraError(f"The camera failed: {str(error)[:200] or type(error).__name__}.") from None

    def encode(self, request: Any, quality: int) -> bytes:
        self._paint(request, "main")
        return self._encoder.encode(request, quality)

    async def ended(self) -> None:
        """Waits for the pictures that nobody wants any more; they come, or fail, once the driver is closed."""
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    def _give_back(self, taking: asyncio.Task[Taken]) -> None:
        """A picture that came when nobody waited for it any more."""
        self._abandoned.discard(taking)
        if not taking.cancelled() and taking.exception() is None:
            taking.result()[0].release()

    def _take(self) -> Taken:
        request = self._driver.capture_request()
        try:
            metadata = request.get_metadata()
            at = self._moment(metadata.get("SensorTimestamp"))
            self._paint(request, "lores")
            width, height = self._sizes["lores"]
            # Rows are `stride` bytes apart, which may be more than the width; U and V come below the luma.
            luma = request.make_array("lores")[:height, :width]
            self._expose(luma, metadata)
        except BaseException:
            request.release()
            raise
        return request, at, luma

    def _expose(self, luma: Luma, metadata: Mapping[str, Any]) -> None:
        if self._modes is None or not {"ExposureTime", "AnalogueGain", "Lux"} <= metadata.keys():
            return
        mask = self._masks["lores"]
        seen = luma.size - (0 if mask is None else int(np.count_nonzero(mask)))  # what is masked is 0
        gathered = float(metadata["ExposureTime"]) * float(metadata["AnalogueGain"])
        if self._exposure.look(float(luma.sum()) / max(1, seen), float(metadata["Lux"]), gathered):
            self._driver.set_controls({"AeExposureMode": self._modes[self._exposure.long]})

    def _paint(self, request: Any, name: str) -> None:
        """Black where it is masked: luma 0, both colours in the middle, in place."""
        if (mask := self._masks[name]) is None:
            return
        height, width = mask.shape
        with self._mapped(request, name) as mapped:
            picture = mapped.array
            stride = picture.shape[1]
            np.copyto(picture[:height, :width], 0, where=mask)
            quarter = mask[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))
            colours = picture[height : height + height // 2].reshape(2, height // 2, stride // 2)
            np.copyto(colours[:, :, : width // 2], 128, where=quarter)

    def _moment(self, sensor: int | None) -> Moment:
        """When the first row was exposed. The driver's nanoseconds are of the clock that counts since the start."""
        now = self._clock.now()
        if sensor is None:
            return now
        for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC):
            age = (time.clock_gettime_ns(clock) - sensor) // 1000
            if 0 <= age < PATIENCE * 1e6:
                return Moment(now.wall - age, max(0, now.mono - age), now.boot, now.synchronised)
        return now


@asynccontextmanager
async def open_camera(options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[PiCamera]:
    driver, mapped, encoder, modes = await asyncio.to_thread(_open, options, orders)
    camera = PiCamera(driver, mapped, encoder, orders, clock, modes if options["exposure"] == "auto" else None)
    try:
        yield camera
    finally:
        closing = asyncio.create_task(_closed(camera, driver, encoder))
        done, _ = await asyncio.wait([closing], timeout=PATIENCE)
        if not done:
            logger.warning("The camera's driver does not end. If that lasts: sudo systemctl restart fras-node.")


def _open(options: Mapping[str, Any], orders: Orders) -> tuple[Any, Any, Encoder, tuple[Any, Any]]:
    """Raises CameraError, leaving nothing open."""
    try:
        from libcamera import Transform, controls

        with deferred("av"):  # before 0.3.35 picamera2 imports FFmpeg (45 MB), for encoders that a node does not use
            from picamera2 import MappedArray, Picamera2
    except ImportError:
        raise CameraError(MISSING) from None
    try:
        driver = Picamera2(options["camera"])
    except (RuntimeError, IndexError):
        raise CameraError(NO_CAMERA.format(number=options["camera"])) from None
    try:
        chosen, modes = options["exposure"], controls.AeExposureModeEnum
        between = int(min(SLOWEST, max(QUICKEST, orders.interval * 1e6 / 2)))
        wanted: dict[str, Any] = {
            "FrameDurationLimits": (between, between),
            "AeExposureMode": modes.Short if chosen == "auto" else getattr(modes, chosen.capitalize()),
        }
        if "gain" in options:
            wanted["AnalogueGain"] = float(options["gain"])
        if "AfMode" in driver.camera_controls:
            wanted["AfMode"] = controls.AfModeEnum.Continuous
        turned = options["rotate"] == 180
        width, height = (even(length) for length in orders.resolution)
        driver.configure(
            driver.create_preview_configuration(  # its colours are of full range, as a JPEG's are
                main={"size": (width, height), "format": "YUV420"},
                lores={"size": _within(width, height), "format": "YUV420"},
                transform=Transform(hflip=turned, vflip=turned),
                buffer_count=BUFFERS,
                queue=False,
                controls=wanted,
            )
        )
        encoder = open_encoder(driver, options["hardware"])
        driver.start()
    except BaseException as error:
        with suppress(RuntimeError):
            driver.close()
        if isinstance(error, RuntimeError | ValueError | OSError):
            raise CameraError(f"The camera does not start: {str(error)[:200]}.") from None
        raise
    return driver, MappedArray, encoder, (modes.Short, modes.Long)


async def _closed(camera: PiCamera, driver: Any, encoder: Encoder) -> None:
    await asyncio.to_thread(_close, driver, encoder)
    await camera.ended()


def _close(driver: Any, encoder: Encoder) -> None:
    abandon = getattr(driver, "cancel_all_and_flush", None)  # a thread may still wait for a picture; not in older ones
    for end in (encoder.close, abandon, driver.stop, driver.close):
        try:
            if end is not None:
                end()
        except Exception as error:
            logger.warning("Closing the camera: %s", str(error)[:200])


def even(length: int) -> int:
    """Colours are stored for two by two pixels."""
    return max(2, length - length % 2)


def _within(width: int, height: int) -> tuple[int, int]:
    """LORES in the shape of the main picture; never larger than it, which no board allows."""
    scale = min(1.0, LORES[0] / width, LORES[1] / height)
    return even(round(width * scale)), even(round(height * scale))
