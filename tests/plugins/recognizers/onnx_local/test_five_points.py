"""Alignment by five points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Box, Pixels
from plugins.recognizers.onnx_local.five_points import FivePoints, cut, similarity
from plugins.recognizers.onnx_local.stages import Found

TEMPLATE = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]])


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_recovers_rotation_scale_and_shift(angle: float, scale: float, shift: tuple[float, float]) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = TEMPLATE @ turn.T + shift
    np.testing.assert_allclose(similarity(TEMPLATE, moved), np.column_stack([turn, shift]), atol=1e-6 * (1 + scale))


def test_is_the_least_squares_optimum() -> None:
    rng = np.random.default_rng(3)
    points = TEMPLATE + rng.normal(0, 6, TEMPLATE.shape)

    def error(transform: np.ndarray) -> float:
        return float(np.square(points @ transform[:, :2].T + transform[:, 2] - TEMPLATE).sum())

    best = similarity(points, TEMPLATE)
    for step in np.eye(4) * 1e-3:
        a, b, x, y = step
        nudge = np.array([[a, -b, x], [b, a, y]])
        assert error(best) < min(error(best + nudge), error(best - nudge))


def test_points_that_coincide_give_a_chip_all_the_same() -> None:
    points = np.full((5, 2), 30, np.float32)
    aligned = FivePoints(TEMPLATE.tolist(), 112).align(
        np.zeros((60, 60, 3), np.uint8), [Found(Box(20, 20, 20, 20), 1, points)]
    )
    assert aligned.chips.shape == (1, 112, 112, 3)


def drawn(scale: float) -> tuple[Pixels, np.ndarray]:
    """A picture with a white disc around each of five points, and the points."""
    side = round(160 * scale)
    picture = np.zeros((side, side, 3), np.uint8)
    points = (TEMPLATE + 20) * scale
    for x, y in points:
        cv2.circle(picture, (round(x * 16), round(y * 16)), round(4 * scale * 16), (255, 255, 255), -1, shift=4)
    return picture, points.astype(np.float32)


@pytest.mark.parametrize("scale", [1, 1.9, 3, 7.3, 20])
def test_a_chip_has_its_points_where_the_template_has_them(scale: float) -> None:
    picture, points = drawn(scale)
    chip = FivePoints(TEMPLATE.tolist(), 112).align(picture, [Found(Box(0, 0, 1, 1), 1, points)]).chips[0]
    for x, y in TEMPLATE:
        near = chip[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9, 0].astype(float)
        rows, columns = np.mgrid[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
        centre = (columns * near).sum() / near.sum(), (rows * near).sum() / near.sum()
        assert centre == pytest.approx((x, y), abs=0.35)


def test_large_faces_are_averaged_and_not_skipped_through() -> None:
    checks = (np.indices((1000, 1000)).sum(axis=0) % 2 * 255).astype(np.uint8)
    picture = np.repeat(checks[:, :, None], 3, axis=2)
    chip = cut(picture, np.array([[0.1, 0, 5], [0, 0.1, 5]]), 112)[20:90, 20:90]
    assert abs(chip.astype(int) - 127).max() <= 2


def test_a_face_beyond_the_picture_gets_black() -> None:
    chip = cut(np.full((50, 50, 3), 255, np.uint8), np.array([[0.1, 0, -300.0], [0, 0.1, -300.0]]), 112)
    assert chip.shape == (112, 112, 3)
    assert chip.max() == 0


def test_no_faces_and_no_points() -> None:
    aligner = FivePoints(TEMPLATE.tolist(), 112)
    picture = np.zeros((20, 20, 3), np.uint8)
    assert aligner.align(picture, []).chips.shape == (0, 112, 112, 3)
    with pytest.raises(ValueError, match="no points"):
        aligner.align(picture, [Found(Box(0, 0, 9, 9), 1)])
