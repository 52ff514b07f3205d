"""A picture of a live camera, made into a JPEG only if the hub is to see it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import numpy as np

from ..media import MOST_PIXELS, Unreadable, encode_jpeg
from ..media.stills import open_image
from .glimpse import HEIGHT, WIDTH, Glimpse

NARROWEST: Final = 4
"""Times that a pixel may be as wide as high, or as high as wide; television's and recorders' reach 2.2."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """`captured_at` is when it arrived, UTC, by the hub's clock. `jpeg` blocks while it compresses."""

    captured_at: datetime
    glimpse: Glimpse
    jpeg: Callable[[], bytes]


def jpeg_shot(captured_at: datetime, image: bytes) -> Shot:
    """A picture that arrived as JPEG and goes on as it is. Blocks. Raises Unreadable when it is damaged."""
    from PIL import Image

    try:
        with open_image(image) as picture:
            if picture.format not in ("JPEG", "MPO"):
                raise Unreadable(f"is a {picture.format} image, not a JPEG")
            picture.draft("L", (WIDTH, HEIGHT))  # decoded at an eighth: a quarter of the time
            grey = picture.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    except Unreadable:
        raise
    except Exception as problem:  # Pillow's parsers raise whatever they stumble upon
        raise Unreadable("is damaged or no image") from problem
    return Shot(captured_at, Glimpse(np.asarray(grey)), lambda: image)


def frame_shot(captured_at: datetime, frame: Any, quality: int, pixel: Fraction | None = None) -> Shot:
    """A decoded `av.VideoFrame` whose pixels are `pixel` times as wide as high. Blocks.

    On one thread: FFmpeg would start and end one a core for each picture.
    """
    grey = frame.reformat(width=WIDTH, height=HEIGHT, format="gray", interpolation="AREA", threads=1)
    width, height = squared(frame.width, frame.height, pixel)
    return Shot(captured_at, Glimpse(grey.to_ndarray()), lambda: _frame_jpeg(frame, width, height, quality))


def squared(width: int, height: int, pixel: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels and none of them lost: 1920×1080 of a recorder's 960×1080, whose are 2 wide.

    They stay as they are where `pixel` is unknown, or nothing that a camera has.
    """
    if not pixel or not 1 / NARROWEST <= pixel <= NARROWEST or width * height * NARROWEST > MOST_PIXELS:
        return width, height
    return max(width, round(width * pixel)), max(height, round(height / pixel))


def _frame_jpeg(frame: Any, width: int, height: int, quality: int) -> bytes:
    """What `encode_jpeg` makes of it, for three quarters of the processor where Pillow can work on FFmpeg's memory."""
    from PIL import Image

    if width % 16:  # FFmpeg leaves the last columns of such an rgb0 picture unwritten
        return encode_jpeg(frame.reformat(width, height, format="rgb24", threads=1).to_ndarray(), quality)
    plane = frame.reformat(width, height, format="rgb0", threads=1).planes[0]
    target = io.BytesIO()
    Image.frombuffer("RGBX", (width, height), plane, "raw", "RGBX", plane.line_size, 1).save(
        target, "JPEG", quality=quality
    )
    return target.getvalue()
