"""Pictures as the hub gets them: the same JPEG whatever memory they were decoded into, and none of a damaged one."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from hub.plugin.live.shots import frame_shot, jpeg_shot, squared
from hub.plugin.media import Unreadable, encode_jpeg
from tests.support.media import scene

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("width", [640, 48, 328, 322, 161])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuyv422", "nv12", "gray", "rgb24"])
def test_a_decoded_frame_is_the_jpeg_that_the_hub_makes_of_its_pixels(pixels: str, width: int) -> None:
    frame = av.VideoFrame.from_ndarray(scene(width, 122, seed=3), format="rgb24").reformat(format=pixels)
    shot = frame_shot(NOW, frame, 85)
    assert shot.jpeg() == encode_jpeg(frame.to_ndarray(format="rgb24"), 85)
    assert shot.captured_at == NOW


def test_both_kinds_of_picture_show_the_same_at_a_glimpse() -> None:
    frame = av.VideoFrame.from_ndarray(scene(640, 480, seed=4), format="rgb24")
    decoded = frame_shot(NOW, frame, 95)
    arrived = jpeg_shot(NOW, decoded.jpeg())
    assert np.abs(decoded.glimpse.grey.astype(int) - arrived.glimpse.grey).mean() < 2
    assert not decoded.glimpse.moved(arrived.glimpse)


@pytest.mark.parametrize(
    ("pixel", "size"),
    [
        (None, (96, 108)), (Fraction(1), (96, 108)), (Fraction(2), (192, 108)), (Fraction(16, 15), (102, 108)),
        (Fraction(1, 2), (96, 216)), (Fraction(255), (96, 108)), (Fraction(0), (96, 108)), (Fraction(-2), (96, 108)),
    ],
)  # fmt: skip
def test_faces_are_not_squashed(pixel: Fraction | None, size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(scene(96, 108, seed=6), format="rgb24")
    with Image.open(io.BytesIO(frame_shot(NOW, frame, 85, pixel).jpeg())) as picture:
        assert picture.size == size
        shown = np.asarray(picture.resize((96, 108)).convert("L")).astype(int)
    assert np.abs(shown - frame.to_ndarray(format="gray")).mean() < 12


def test_a_picture_too_large_to_widen_stays_as_it_is() -> None:
    assert squared(8000, 6000, Fraction(2)) == (8000, 6000)


@pytest.mark.parametrize("left", [0, 2, 300, 3000])
def test_what_is_cut_off_is_damaged(left: int) -> None:
    with pytest.raises(Unreadable):
        jpeg_shot(NOW, encode_jpeg(scene(320, 240, seed=5))[:left])
