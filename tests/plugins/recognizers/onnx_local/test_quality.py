"""Size, sharpness and pose."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Box
from plugins.recognizers.onnx_local.quality import MOUTH, NOSE_BASE, NOSE_TIP, pose, quality, sharpness
from plugins.recognizers.onnx_local.stages import Points


def seen(yaw: float, pitch: float, roll: float, *, mouth: bool, scale: float = 40) -> Points:
    """The average head's points as a far camera sees them; degrees."""
    nose = NOSE_TIP if mouth else NOSE_BASE
    head = [(-0.5, 0, 0), (0.5, 0, 0), (0, *nose)]
    if mouth:
        head += [(-0.4, *MOUTH), (0.4, *MOUTH)]
    a, b, c = np.radians([yaw, pitch, roll])
    side = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    up = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn = np.array([[np.cos(c), -np.sin(c)], [np.sin(c), np.cos(c)]])
    flat = (np.array(head) @ up.T @ side.T)[:, :2]
    return (flat @ turn.T * scale + (300, 200)).astype(np.float32)


@pytest.mark.parametrize("mouth", [True, False])
@given(yaw=st.floats(-60, 60), roll=st.floats(-170, 170))
def test_yaw_and_roll_of_a_level_head_are_exact(mouth: bool, yaw: float, roll: float) -> None:
    assert pose(seen(yaw, 0, roll, mouth=mouth)) == pytest.approx((yaw, 0, roll), abs=0.1)


@given(yaw=st.floats(-60, 60), pitch=st.floats(-15, 45), roll=st.floats(-170, 170))
def test_with_a_mouth_all_three_are_exact(yaw: float, pitch: float, roll: float) -> None:
    assert pose(seen(yaw, pitch, roll, mouth=True)) == pytest.approx((yaw, pitch, roll), abs=0.2)


@given(pitch=st.floats(-18, 45))
def test_pitch_without_a_mouth(pitch: float) -> None:
    """Looking further down than 20 degrees, the nose rises again in the picture: that cannot be told apart."""
    assert pose(seen(0, pitch, 0, mouth=False)) == pytest.approx((0, pitch, 0), abs=0.5)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=10, max_size=10))
def test_any_points_give_finite_angles(values: list[float]) -> None:
    for count in (3, 5):
        yaw, pitch, roll = pose(np.array(values, np.float32).reshape(5, 2)[:count])
        assert abs(yaw) <= 90
        assert abs(pitch) <= 90
        assert abs(roll) <= 180


def test_blurring_lowers_sharpness() -> None:
    chip = np.random.default_rng(4).integers(0, 255, (112, 112, 3), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(chip, (0, 0), 2), np.uint8)
    assert sharpness(np.full_like(chip, 77)) == 0
    assert 0 < sharpness(blurred) < sharpness(chip) / 20


def test_size_is_the_shorter_side() -> None:
    chip = np.zeros((112, 112, 3), np.uint8)
    assert quality(Box(1, 2, 50, 64), chip, seen(0, 0, 0, mouth=True)).size == 50
