"""picamera2 without a Pi: what its manual and source say, with the mistakes it would not forgive as errors.

`installed` puts it in place of the modules picamera2, libcamera and simplejpeg. Its JPEGs hold the planes as they are
(`planes`), so that tests see each pixel.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

FORMATS = {"YUV420": 1.5, "RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4}
SOI, EOI = b"\xff\xd8\xff", b"\xff\xd9"
PADDING, RECYCLED = 77, 238
MOST_GAIN = 8.0
RIGHT = 12 * 30_000 * MOST_GAIN
"""Lux × µs × gain at which a picture is as bright as it should be."""


class Board:
    """The hardware: what its cameras see, and what went wrong. `colour` is (luma, u, v) of the whole scene; `exposures`
    the longest in µs by mode of automatic exposure, `lux` the light: 12 at 30 ms and gain 8 are exposed rightly."""

    def __init__(self, cameras: int = 1, hardware: bool = True, autofocus: bool = False, clock: int = 0) -> None:
        self.cameras, self.hardware, self.autofocus = cameras, hardware, autofocus
        self.clock = clock or time.CLOCK_BOOTTIME
        self.colour = (100, 90, 240)
        self.open: set[int] = set()
        self.driver: Picamera2 | None = None
        self.encoders: list[MJPEGEncoder] = []
        self.lux, self.exposures = 400.0, {0: 60_000, 1: 30_000, 2: 120_000}
        self.truncates = self.hangs = False
        self.after = 0.0


board = Board()


class Picamera2:
    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= board.cameras:
            raise IndexError("list index out of range")
        if camera_num in board.open:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        board.open.add(camera_num)
        board.driver = self
        self.number, self.config, self.started = camera_num, None, False
        self.out: list[CompletedRequest] = []
        self.cancelled = threading.Event()
        self.camera_controls = {"AfMode": (0, 2, 0)} if board.autofocus else {}

    def create_preview_configuration(
        self,
        main: dict[str, Any],
        lores: dict[str, Any] | None = None,
        raw: object = None,
        transform: object = None,
        colour_space: object = None,
        buffer_count: int = 4,
        controls: dict[str, Any] | None = None,
        queue: bool = True,
    ) -> dict[str, Any]:
        streams = {"main": dict(main), "lores": dict(lores) if lores else None}
        return streams | {
            "transform": transform,
            "buffer_count": buffer_count,
            "controls": controls or {},
            "queue": queue,
        }

    def configure(self, config: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        for name in ("main", "lores"):
            stream = config[name]
            if stream["format"] not in FORMATS:
                raise RuntimeError(f"Bad format {stream['format']}")
            width, height = stream["size"]
            if width % 2 or height % 2:
                raise RuntimeError(f"width and height should be even in {name}")
            step = 64 if stream["format"] == "YUV420" else 32
            unit = 1 if stream["format"] == "YUV420" else int(FORMATS[stream["format"]])
            stream["stride"] = -(-width * unit // step) * step
        if config["lores"]["format"] != "YUV420":
            raise RuntimeError("lores stream must be YUV")
        if any(small > large for small, large in zip(config["lores"]["size"], config["main"]["size"], strict=True)):
            raise RuntimeError("lores stream dimensions may not exceed main stream")
        if "AfMode" in config["controls"] and not board.autofocus:
            raise RuntimeError("Control AfMode is not advertised by libcamera")
        self.config = config

    def camera_configuration(self) -> dict[str, Any]:
        assert self.config is not None
        return self.config

    def set_controls(self, controls: dict[str, Any]) -> None:
        """While it runs, too; takes hold a few pictures later."""
        if "AfMode" in controls and not board.autofocus:
            raise RuntimeError("Control AfMode is not advertised by libcamera")
        self.camera_configuration()["controls"].update(controls)

    def automatic(self) -> dict[str, Any]:
        """What automatic exposure gathers: as much as is right, as far as the mode goes."""
        controls = self.camera_configuration()["controls"]
        right, gain = RIGHT / max(board.lux, 0.01), float(controls.get("AnalogueGain", MOST_GAIN))
        longest = board.exposures[controls["AeExposureMode"]]
        return {"ExposureTime": int(min(longest, right)), "AnalogueGain": max(1.0, min(gain, right / longest))}

    def start(self) -> None:
        if self.config is None:
            raise RuntimeError("Camera has not been configured")
        self.started = True

    def capture_request(self) -> CompletedRequest:
        if not self.started:
            raise RuntimeError("the camera does not run: this would wait for ever")
        if board.hangs:
            self.cancelled.wait(30)
            raise RuntimeError("cancelled")
        if len(self.out) >= self.camera_configuration()["buffer_count"]:
            raise RuntimeError("no buffer is left: somebody did not release")
        return CompletedRequest(self)

    def cancel_all_and_flush(self) -> None:
        self.cancelled.set()

    def stop(self) -> None:
        self.started = False

    def close(self) -> None:
        self.started = False
        board.open.discard(self.number)


class CompletedRequest:
    def __init__(self, driver: Picamera2) -> None:
        self.driver, self.count, self.lock = driver, 1, threading.Lock()
        self.config: dict[str, Any] | None = driver.camera_configuration()
        self.buffers = {name: _exposed(self.config[name]) for name in ("main", "lores")}
        self.sensor = time.clock_gettime_ns(board.clock) - 40_000_000
        driver.out.append(self)

    def acquire(self) -> None:
        with self.lock:
            if self.count == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self.count += 1

    def release(self) -> None:
        with self.lock:
            self.count -= 1
            if self.count < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            if self.count == 0:
                self.driver.out.remove(self)
                for buffer in self.buffers.values():
                    buffer[:] = RECYCLED  # the sensor writes the next picture over it
                self.config = None

    def view(self, name: str) -> Any:
        assert self.config is not None, "of a request that was released"
        stream, buffer = self.config[name], self.buffers[name]
        if stream["format"] == "YUV420":
            return buffer.reshape(stream["size"][1] * 3 // 2, stream["stride"])
        width, height = stream["size"]
        unit = int(FORMATS[stream["format"]])
        return buffer.reshape(height, stream["stride"])[:, : width * unit].reshape(height, width, unit)

    def make_array(self, name: str) -> Any:
        return self.view(name).copy()

    def get_metadata(self) -> dict[str, Any]:
        assert self.config is not None, "of a request that was released"
        return {"SensorTimestamp": self.sensor, "Lux": board.lux, **self.driver.automatic()}


class MappedArray:
    """The buffer itself: what is written is what an encoder reads afterwards."""

    def __init__(self, request: CompletedRequest, stream: str, reshape: bool = True, write: bool = True) -> None:
        self.request, self.stream = request, stream

    def __enter__(self) -> SimpleNamespace:
        return SimpleNamespace(array=self.request.view(self.stream))

    def __exit__(self, *_: object) -> None:
        return


class Output:
    def start(self) -> None:
        return

    def stop(self) -> None:
        return


class MJPEGEncoder:
    """Works in a thread of its own, holding the request meanwhile; several frames may be under way."""

    def __init__(self, bitrate: int | None = None) -> None:
        self.bitrate = bitrate
        self.size: tuple[int, int] = (0, 0)
        self.stride, self.format, self.output, self.running = 0, "", None, False
        self.threads: list[threading.Thread] = []
        board.encoders.append(self)

    def start(self) -> None:
        if self.running:
            raise RuntimeError("Encoder already running")
        if max(self.size) > 1920:
            raise OSError("VIDIOC_S_FMT: invalid argument")
        assert isinstance(self.output, Output)
        assert self.format
        assert self.stride
        self.running = True

    def encode(self, stream: str, request: CompletedRequest) -> None:
        if not self.running:
            return
        request.acquire()
        thread = threading.Thread(target=self._encode, args=(stream, request))
        self.threads.append(thread)
        thread.start()

    def _encode(self, stream: str, request: CompletedRequest) -> None:
        time.sleep(0.02)
        assert request.config is not None
        assert (self.size, self.stride) == (request.config[stream]["size"], request.config[stream]["stride"])
        width, height = self.size
        whole = request.view(stream)
        colours = whole[height:].reshape(2, height // 2, self.stride // 2)[:, :, : width // 2]
        jpeg = encode_jpeg_yuv_planes(whole[:height, :width].copy(), colours[0].copy(), colours[1].copy())
        self.output.outputframe(jpeg[: len(jpeg) // 2] if board.truncates else jpeg, True, 0, None, False)  # type: ignore[attr-defined]
        request.release()

    def stop(self) -> None:
        if not self.running:
            raise RuntimeError("Encoder already stopped")
        for thread in self.threads:
            thread.join()
        self.running = False


def encode_jpeg_yuv_planes(y: Any, u: Any, v: Any, quality: int = 85) -> bytes:
    for plane in (y, u, v):
        if not (plane.flags.c_contiguous and plane.dtype == np.uint8):
            raise ValueError("ndarray is not C-contiguous")
    assert u.shape == v.shape == (y.shape[0] // 2, y.shape[1] // 2)
    size = y.shape[1].to_bytes(2, "big") + y.shape[0].to_bytes(2, "big")
    return SOI + size + y.tobytes() + u.tobytes() + v.tobytes() + EOI


def planes(jpeg: bytes) -> tuple[Any, Any, Any]:
    """(luma, u, v) of what was encoded here."""
    assert jpeg.startswith(SOI)
    assert jpeg.endswith(EOI)
    width, height = int.from_bytes(jpeg[3:5], "big"), int.from_bytes(jpeg[5:7], "big")
    data = np.frombuffer(jpeg[7:-2], np.uint8)
    colours = data[width * height :].reshape(2, height // 2, width // 2)
    return data[: width * height].reshape(height, width), colours[0], colours[1]


def _exposed(stream: dict[str, Any]) -> Any:
    (width, height), stride = stream["size"], stream["stride"]
    if stream["format"] != "YUV420":
        y, u, v = board.colour
        rgb = [y + 1.402 * (v - 128), y - 0.344 * (u - 128) - 0.714 * (v - 128), y + 1.772 * (u - 128)]
        # Names are those of DRM, little-endian: "RGB888" is blue, green, red in memory.
        order = rgb if stream["format"] in ("BGR888", "XBGR8888") else rgb[::-1]
        pixel = np.clip([*order, 255][: int(FORMATS[stream["format"]])], 0, 255).astype(np.uint8)
        rows = np.full((height, stride), PADDING, np.uint8)
        rows[:, : width * len(pixel)] = np.tile(pixel, width)
        return rows.reshape(-1)
    luma = np.full((height, stride), PADDING, np.uint8)
    luma[:, :width] = board.colour[0] + np.arange(width) % 5
    colours = np.full((2, height // 2, stride // 2), PADDING, np.uint8)
    colours[0, :, : width // 2], colours[1, :, : width // 2] = board.colour[1:]
    return np.concatenate([luma.reshape(-1), colours.reshape(-1)])


@contextmanager
def installed(**of_board: Any) -> Iterator[Board]:
    """picamera2 is there while this lasts. At its end nothing may be open or held."""
    board.__init__(**of_board)  # type: ignore[misc]
    enums = SimpleNamespace(
        AeExposureModeEnum=SimpleNamespace(Normal=0, Short=1, Long=2), AfModeEnum=SimpleNamespace(Continuous=2)
    )
    kind = type("MJPEGEncoder", (MJPEGEncoder,), {})
    kind.__module__ = f"picamera2.encoders.{'mjpeg_encoder' if board.hardware else 'libav_mjpeg_encoder'}"
    modules = {
        "picamera2": {"Picamera2": Picamera2, "MappedArray": MappedArray},
        "picamera2.encoders": {"MJPEGEncoder": kind},
        "picamera2.outputs": {"Output": Output},
        "libcamera": {"Transform": lambda hflip=0, vflip=0: (bool(hflip), bool(vflip)), "controls": enums},
        "simplejpeg": {"encode_jpeg_yuv_planes": encode_jpeg_yuv_planes},
    }
    before = {name: sys.modules.get(name) for name in modules}
    for name, members in modules.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(members)
    try:
        yield board
        assert not board.open, "a camera was left open"
        assert board.driver is None or not board.driver.out, "a request was not released"
        assert not any(encoder.running for encoder in board.encoders), "an encoder was left running"
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
