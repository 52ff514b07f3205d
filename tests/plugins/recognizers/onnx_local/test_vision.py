"""Scaling, mapping back to original pixels, sizes, batches and mirror images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Box, Picture, Pixels
from plugins.recognizers.onnx_local.stages import Aligned, Chips, Found, Tensor
from plugins.recognizers.onnx_local.vision import BATCH, Scaling, Vision

POINTS = np.array([[0, 0], [10, 0], [5, 6], [1, 10], [9, 10]], np.float32)


class Stages:
    """Detector, aligner and net in one: finds the given boxes, as shares of the picture; embeds a chip's mean levels
    of the left and right half."""

    smallest = 80
    dimension = 2

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes
        self.batches: list[int] = []

    def detect(self, pixels: Pixels, scale: float = 1.0) -> list[Found]:
        height, width = pixels.shape[:2]
        self.searched = height * scale, width * scale
        return [
            Found(Box(x * width, y * height, w * width, h * height), 0.9, POINTS * (width / 100))
            for x, y, w, h in self.boxes
        ]

    def align(self, pixels: Pixels, found: Sequence[Found]) -> Aligned:
        self.aligned = pixels, list(found)
        chips = np.zeros((len(found), 4, 4, 3), np.uint8)
        for number, chip in enumerate(chips):
            chip[:, :2] = 10 * (number + 1)
        return Aligned(chips, tuple(face.points for face in found if face.points is not None))

    def embed(self, chips: Chips) -> Tensor:
        self.batches.append(len(chips))
        return np.stack([chips[:, :, :2].mean(axis=(1, 2, 3)), chips[:, :, 2:].mean(axis=(1, 2, 3))], axis=1)


def picture(width: int, height: int, scale: float = 1.0) -> Picture:
    pixels = np.zeros((round(height * scale), round(width * scale), 3), np.uint8)
    return Picture(pixels, width, height, scale)


def vision(stages: Stages, min_face: int = 40, largest: int = 8_300_000) -> Vision:
    return Vision(stages, stages, stages, Scaling(min_face, largest))


@pytest.mark.parametrize(
    ("size", "scale", "min_face", "searched"),
    [
        ((640, 480), 1.0, 40, (960, 1280)),  # twice, as dlib's pyramid_up
        ((640, 480), 1.0, 80, (480, 640)),
        ((640, 480), 1.0, 160, (240, 320)),
        ((640, 480), 0.5, 160, (240, 320)),  # decoded at half size: nothing left to scale
        ((4000, 3000), 0.5, 40, (1500, 2000)),  # what was given up in decoding is not enlarged again
        ((4000, 3000), 0.5, 320, (750, 1000)),
        ((1920, 1080), 1.0, 40, (2160, 3840)),
        ((1, 3000), 1.0, 160, (1500, 0.5)),
    ],
)
def test_min_face_decides_the_scaling(
    size: tuple[int, int], scale: float, min_face: int, searched: tuple[float, float]
) -> None:
    stages = Stages()
    assert vision(stages, min_face).look(picture(*size, scale)).found == ()
    assert stages.searched == pytest.approx(searched, rel=1e-3)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(16, 1000), st.sampled_from([16, 32, 80]))
def test_never_more_pixels_than_the_largest(width: int, height: int, min_face: int, smallest: int) -> None:
    factor = Scaling(min_face, 2_000_000).factor(width, height, smallest)
    assert factor * width * factor * height <= 2_000_000 * (1 + 1e-9)
    assert factor <= smallest / min_face


@pytest.mark.parametrize("decoded", [1.0, 0.5])
@pytest.mark.parametrize("min_face", [40, 80, 200])
def test_boxes_come_in_original_pixels_and_chips_from_the_decoded_ones(decoded: float, min_face: int) -> None:
    stages = Stages((0.25, 0.5, 0.5, 0.4))
    shown = picture(1000, 800, decoded)
    looked = vision(stages, min_face).look(shown)
    (face,) = looked.found
    assert (face.box.x, face.box.y, face.box.w, face.box.h) == pytest.approx((250, 400, 500, 320))
    assert looked.qualities[0].size == pytest.approx(320)
    pixels, (aligned,) = stages.aligned
    assert pixels is shown.pixels
    assert aligned.box.w == pytest.approx(500 * decoded)
    assert aligned.points is not None
    np.testing.assert_allclose(aligned.points, POINTS * 10 * decoded, rtol=1e-5)


def test_small_faces_are_counted_and_not_aligned() -> None:
    stages = Stages((0, 0, 0.038, 0.05), (0, 0, 0.0395, 0.05), (0, 0, 0.041, 0.05), (0.5, 0.5, 0.2, 0.2))
    (sight,) = vision(stages).embed([vision(stages).look(picture(1000, 1000))], [False])
    assert [(box.w, box.h) for box in sight.too_small] == [(38, 50)]
    assert [round(face.box.w, 1) for face in sight.faces] == [200, 41, 39.5]  # largest first; half a pixel is forgiven
    assert len(stages.aligned[1]) == 3


def test_no_faces_at_all() -> None:
    stages = Stages()
    seen = vision(stages)
    assert [sight.faces for sight in seen.embed([seen.look(picture(100, 100))] * 2, [False, True])] == [(), ()]
    assert seen.embed([], []) == []
    assert stages.batches == []


def test_pictures_share_batches_and_get_their_own_faces_back() -> None:
    stages = Stages(*[(0, 0, 0.9 - 0.01 * number, 0.9) for number in range(7)])
    seen = vision(stages)
    looked = [seen.look(picture(200, 200)) for _ in range(4)]
    sights = seen.embed(looked, [False, True, False, True])
    assert sum(stages.batches) == 7 * (4 + 2)
    assert max(stages.batches) == BATCH
    assert len(stages.batches) == -(-7 * 6 // BATCH)
    for sight, mirrored in zip(sights, (False, True, False, True), strict=True):
        for number, face in enumerate(sight.faces, start=1):
            expected = [5 * number] * 2 if mirrored else [10 * number, 0]
            np.testing.assert_allclose(face.embedding, expected)
            assert face.embedding.dtype == np.float32
