"""Pictures as the hub gets them: the same JPEG whatever memory they were decoded into, and none of a damaged one."""

from __future__ import annotations

from datetime import UTC, datetime

import av
import numpy as np
import pytest

from hub.plugin.live.shots import frame_shot, jpeg_shot
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


@pytest.mark.parametrize("left", [0, 2, 300, 3000])
def test_what_is_cut_off_is_damaged(left: int) -> None:
    with pytest.raises(Unreadable):
        jpeg_shot(NOW, encode_jpeg(scene(320, 240, seed=5))[:left])
