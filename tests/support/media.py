"""Images and videos made on the spot, for tests of everything that reads them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hub.plugin import Pixels

_QUICKLY = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}


def scene(width: int = 64, height: int = 48, seed: int = 0) -> Pixels:
    """Smooth coloured blobs: no two corners alike, and easy on lossy codecs."""
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def image_file(pixels: Pixels, kind: str = "JPEG", *, mode: str = "RGB", exif: bytes = b"", **options: Any) -> bytes:
    """`pixels` as an image file; `options` go to Pillow."""
    from PIL import Image

    target = io.BytesIO()
    if exif:
        options["exif"] = exif
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0, **options}
    Image.fromarray(pixels).convert(mode).save(target, kind, **options)
    return target.getvalue()


def exif(*, taken: str | None = None, offset: str | None = None, fraction: str | None = None, turn: int = 1) -> bytes:
    """EXIF with DateTimeOriginal, OffsetTimeOriginal, SubSecTimeOriginal and Orientation."""
    import piexif

    said = {
        piexif.ExifIFD.DateTimeOriginal: taken,
        piexif.ExifIFD.OffsetTimeOriginal: offset,
        piexif.ExifIFD.SubSecTimeOriginal: fraction,
    }
    tags = {tag: text.encode() for tag, text in said.items() if text is not None}
    return bytes(piexif.dump({"0th": {piexif.ImageIFD.Orientation: turn}, "Exif": tags}))


def gif_file(frames: Sequence[Pixels], delays: Sequence[timedelta]) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    lengths = [round(delay / timedelta(milliseconds=1)) for delay in delays]
    first.save(target, "GIF", save_all=True, append_images=others, duration=lengths, loop=0)
    return target.getvalue()


def video(path: Path, frames: Sequence[Pixels], *, rate: int = 10, codec: str = "mpeg4", **options: str) -> Path:
    """A video file, its container by its suffix; `options` go to the container, `creation_time` to its metadata."""
    import av

    created = options.pop("creation_time", None)
    with av.open(str(path), "w", options=options) as container:
        if created:
            container.metadata["creation_time"] = created
        stream: Any = container.add_stream(codec, rate=rate, options=_QUICKLY.get(codec, {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def timedelta_ms(milliseconds: float) -> timedelta:
    return timedelta(milliseconds=milliseconds)
