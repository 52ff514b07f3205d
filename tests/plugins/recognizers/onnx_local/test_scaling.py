"""Pictures to another size, and faces back."""

from __future__ import annotations

import numpy as np

from hub.plugin import Box
from plugins.recognizers.onnx_local.scaling import moved, scaled
from plugins.recognizers.onnx_local.stages import Found


def test_scaling_returns_the_exact_factors() -> None:
    pixels, across, down = scaled(np.zeros((7, 10, 3), np.uint8), 0.25)
    assert pixels.shape == (2, 2, 3)
    assert (across, down) == (0.2, 2 / 7)


def test_nothing_shrinks_away() -> None:
    pixels, across, down = scaled(np.zeros((3, 900, 3), np.uint8), 0.1)
    assert pixels.shape == (1, 90, 3)
    assert (across, down) == (0.1, 1 / 3)


def test_a_picture_of_the_right_size_is_not_copied() -> None:
    picture = np.zeros((7, 10, 3), np.uint8)
    assert scaled(picture, 1.01)[0] is picture


def test_shrinking_averages_and_enlarging_interpolates() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.unique(scaled(stripes, 0.5)[0]).tolist() == [100]
    enlarged = scaled(stripes, 2)[0][0, :, 0].astype(int)
    assert abs(np.diff(enlarged)).max() <= 100


def test_faces_move_with_their_points() -> None:
    face = Found(Box(1, 2, 3, 4), 0.5, np.ones((5, 2), np.float32))
    there = moved(face, 2, 10)
    assert there.box == Box(2, 20, 6, 40)
    assert there.points is not None
    assert there.points.tolist() == [[2, 10]] * 5
    assert moved(face, 1, 1) is face
    assert moved(Found(Box(1, 2, 3, 4), 0.5), 2, 2).points is None
