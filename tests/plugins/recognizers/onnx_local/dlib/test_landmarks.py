"""Landmarks and chips against dlib's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.plugin import Box, Pixels
from plugins.recognizers.onnx_local.dlib import chips
from plugins.recognizers.onnx_local.dlib.aligner import DlibAligner
from plugins.recognizers.onnx_local.dlib.embedder import DlibFaceNet
from plugins.recognizers.onnx_local.dlib.landmarks import ShapePredictor
from plugins.recognizers.onnx_local.stages import Found


@pytest.fixture(scope="session")
def oracle(dlib: ModuleType, weights: Callable[[str], str]) -> Callable[[Pixels, tuple[int, ...]], Any]:
    """dlib's full object detection for a rectangle."""
    predictor = dlib.shape_predictor(weights("shape_predictor_5_face_landmarks.dat"))
    return lambda pixels, rectangle: predictor(pixels, dlib.rectangle(*rectangle))


def parts(shape: Any) -> list[tuple[int, int]]:
    return [(part.x, part.y) for part in shape.parts()]


rectangles = st.tuples(st.integers(-80, 250), st.integers(-80, 200), st.integers(20, 300), st.integers(20, 300)).map(
    lambda r: (r[0], r[1], r[0] + r[2], r[1] + r[3])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rectangles, min_size=1, max_size=5), st.integers(0, 5))
def test_landmarks_equal_dlibs_inside_and_beyond_the_picture(
    predictor: ShapePredictor,
    oracle: Callable[[Pixels, tuple[int, ...]], Any],
    noise: Callable[..., Pixels],
    faces: list[tuple[int, ...]],
    seed: int,
) -> None:
    pixels = noise(320, 240, seed)
    expected = [parts(oracle(pixels, face)) for face in faces]
    assert predictor.locate(pixels, np.array(faces)).tolist() == [[list(p) for p in face] for face in expected]


spots = st.tuples(st.integers(-200, 500), st.integers(-200, 400))
corners = st.tuples(*[st.tuples(st.integers(-60, 60), st.integers(-60, 60))] * 5)


@settings(max_examples=150, deadline=None)
@given(spots, corners, st.floats(0, 8), st.integers(0, 5))
def test_chips_equal_dlibs_whatever_the_landmarks(
    dlib: ModuleType,
    noise: Callable[..., Pixels],
    spot: tuple[int, int],
    corners: tuple[tuple[int, int], ...],
    scale: float,
    seed: int,
) -> None:
    pixels = noise(320, 240, seed)
    face = [(spot[0] + round(scale * x), spot[1] + round(scale * y)) for x, y in corners]
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), [dlib.point(*place) for place in face])
    (chip,) = chips.extract(pixels, np.array([face]))
    assume(len(set(face)) > 2)  # dlib refuses a face without extent
    expected = dlib.get_face_chip(pixels, shape, 150, 0.25).astype(int)
    different = np.abs(chip - expected).max(axis=-1) > 1
    assert different.mean() < 0.01  # a row of pixels exactly on the picture's border may fall either way


@pytest.mark.parametrize("side", [400, 800, 1600])
def test_huge_faces_are_shrunk_before_they_are_sampled(
    dlib: ModuleType, oracle: Callable[[Pixels, tuple[int, ...]], Any], noise: Callable[..., Pixels], side: int
) -> None:
    fine = np.random.default_rng(1).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    pixels = (noise(3000, 3000) // 2 + fine // 2).astype(np.uint8)
    shape = oracle(pixels, (700, 700, 700 + side, 700 + side))
    expected = dlib.get_face_chip(pixels, shape, 150, 0.25).astype(int)
    (chip,) = chips.extract(pixels, np.array([parts(shape)]))
    assert np.abs(chip - expected).max() <= 1


def test_a_chip_wholly_beyond_the_picture_is_black(noise: Callable[..., Pixels]) -> None:
    far = np.array([[(1100, 1010), (1060, 1010), (1000, 1010), (1040, 1010), (1050, 1080)]])
    assert not chips.extract(noise(100, 80), far).any()
    assert not chips.extract(noise(100, 80), far - 3000).any()


def test_points_are_eye_centres_and_nose(aligner: DlibAligner, noise: Callable[..., Pixels]) -> None:
    pixels = noise(320, 240)
    aligned = aligner.align(pixels, [Found(Box(60, 40, 120, 120), 1.0)])
    (points,) = aligned.points
    left_eye, right_eye, nose = points.tolist()
    assert points.dtype == np.float32
    assert left_eye[0] < nose[0] < right_eye[0]
    assert nose[1] > max(left_eye[1], right_eye[1])
    assert aligned.chips.shape == (1, 150, 150, 3)


def test_no_faces_no_chips(aligner: DlibAligner, noise: Callable[..., Pixels]) -> None:
    aligned = aligner.align(noise(60, 50), [])
    assert aligned.chips.shape == (0, 150, 150, 3)
    assert aligned.points == ()


@pytest.mark.shared
def test_embeddings_of_cut_faces_equal_dlibs(
    shared: Path,
    dlib: ModuleType,
    weights: Callable[[str], str],
    oracle: Callable[[Pixels, tuple[int, ...]], Any],
    photo: Callable[..., Pixels],
    predictor: ShapePredictor,
    net: DlibFaceNet,
) -> None:
    embedder = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    cosines, differences = [], []
    for path in sorted((shared / "data/faces/strangers").glob("*.jpg"))[:8]:
        pixels = photo(path)
        expected = np.array(embedder.compute_face_descriptor(pixels, oracle(pixels, (70, 70, 180, 180))))
        cut = chips.extract(pixels, predictor.locate(pixels, np.array([(70, 70, 180, 180)])))
        (own,) = net.embed(cut)
        differences.append(np.abs(own - np.array(embedder.compute_face_descriptor(cut[0]))).max())
        cosines.append(own @ expected / np.linalg.norm(own) / np.linalg.norm(expected))
    assert max(differences) < 1e-6
    assert min(cosines) > 0.9999
