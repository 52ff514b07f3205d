"""JPEGs from a request of picamera2: by the board's encoder (Pi 4 and older, the Zeros), else by the processor."""

from __future__ import annotations

import logging
import queue
from io import BytesIO
from typing import Any, Final, Protocol

import numpy as np

from node.camera import CameraError

logger = logging.getLogger("fras.node")

WIDEST: Final = 1920
"""Pixels that the encoder of the VideoCore takes, either way."""
LARGEST: Final = 400_000
"""Bytes aimed at, at most: its buffers, as picamera2 asks for them, have room for 512 KiB."""
RATE: Final = 30
"""Frames a second that the encoder takes its bit rate for."""
PATIENCE: Final = 3.0
END: Final = b"\xff\xd9"


class Encoder(Protocol):
    def encode(self, request: Any, quality: int) -> bytes:
        """The main stream of a request that is still held. Called by one thread at a time."""
        ...

    def close(self) -> None: ...


class Hardware:
    """picamera2's MJPEGEncoder, for single pictures. It knows bit rates instead of qualities, so `quality` is aimed at;
    a picture that does not end, or does not come, is made by the processor."""

    def __init__(self, config: Any, other: Encoder) -> None:
        self._config = config
        self._other = other
        self._quality = 0
        self._encoder: Any = None
        self._pictures: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def encode(self, request: Any, quality: int) -> bytes:
        if self._encoder is None or quality != self._quality:
            self._start(quality)
        while not self._pictures.empty():
            self._pictures.get_nowait()
        self._encoder.encode("main", request)
        try:
            jpeg = self._pictures.get(timeout=PATIENCE)
        except queue.Empty:
            jpeg = b""
        if jpeg.rstrip(b"\0").endswith(END):
            return jpeg
        logger.debug("The board's encoder made no whole picture of %d bytes", len(jpeg))
        return self._other.encode(request, quality)

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.stop()
            self._encoder = None

    def _start(self, quality: int) -> None:
        from picamera2.encoders import MJPEGEncoder
        from picamera2.outputs import Output

        pictures = self._pictures

        class Pictures(Output):  # type: ignore[misc, unused-ignore]
            def outputframe(self, frame: Any, *args: Any, **more: Any) -> None:
                pictures.put(bytes(frame))

        self.close()
        main = self._config["main"]
        encoder = MJPEGEncoder(bitrate=8 * RATE * size_of(quality, *main["size"]))
        encoder.size, encoder.format, encoder.stride = tuple(main["size"]), main["format"], main["stride"]
        encoder.output = Pictures()
        encoder.start()
        self._encoder, self._quality = encoder, quality


class Software:
    """simplejpeg, which picamera2 brings with it, straight from the planes; else Pillow."""

    def __init__(self, config: Any) -> None:
        self._size = tuple(config["main"]["size"])

    def encode(self, request: Any, quality: int) -> bytes:
        width, height = self._size
        picture = request.make_array("main")
        stride = picture.shape[1]
        luma = picture[:height, :width]
        u, v = picture[height : height + height // 2].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
        try:
            from simplejpeg import encode_jpeg_yuv_planes
        except ImportError:
            return _by_pillow(luma, u, v, quality)
        return bytes(encode_jpeg_yuv_planes(*map(np.ascontiguousarray, (luma, u, v)), quality=quality))

    def close(self) -> None:
        return


def _by_pillow(luma: Any, u: Any, v: Any, quality: int) -> bytes:
    try:
        from PIL import Image
    except ImportError:
        raise CameraError("Nothing here makes JPEGs: sudo apt install python3-simplejpeg python3-pil.") from None
    size = luma.shape[1], luma.shape[0]
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in (luma, u, v)]
    picture = Image.merge("YCbCr", [plane.resize(size, Image.Resampling.BILINEAR) for plane in planes])
    out = BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def size_of(quality: int, width: int, height: int) -> int:
    """Bytes that a picture of a room takes at this quality, about: a tenth of a byte a pixel at 50, a quarter at 85."""
    return min(LARGEST, int(width * height * (0.06 + 0.25 * (quality / 100) ** 2)))


def open_encoder(driver: Any, hardware: bool) -> Encoder:
    """For a driver that is configured."""
    config = driver.camera_configuration()
    software = Software(config)
    if hardware and max(config["main"]["size"]) <= WIDEST:
        from picamera2.encoders import MJPEGEncoder

        # Elsewhere picamera2 gives the name to an encoder that works on the processor, by PyAV and slower.
        if "libav" not in MJPEGEncoder.__module__:
            return Hardware(config, software)
    return software
