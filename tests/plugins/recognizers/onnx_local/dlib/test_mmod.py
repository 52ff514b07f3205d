"""The detector and its pyramid against dlib's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Pixels
from plugins.recognizers.onnx_local.dlib import mmod, pyramid
from plugins.recognizers.onnx_local.dlib.mmod import MmodDetector
from plugins.recognizers.onnx_local.sessions import Session


@pytest.fixture(scope="session")
def oracle(dlib: ModuleType, weights: Callable[[str], str]) -> Callable[[Pixels, int], list[tuple[Any, ...]]]:
    """dlib's faces: left, top, width, height, score."""
    detector = dlib.cnn_face_detection_model_v1(weights("mmod_human_face_detector.dat"))

    def faces(pixels: Pixels, upsample: int) -> list[tuple[Any, ...]]:
        found = [(face.rect, face.confidence) for face in detector(pixels, upsample)]
        return [(r.left(), r.top(), r.width(), r.height(), pytest.approx(score, abs=1e-4)) for r, score in found]

    return faces


def own(detector: MmodDetector, pixels: Pixels, scale: float) -> list[tuple[Any, ...]]:
    return [(f.box.x, f.box.y, f.box.w, f.box.h, f.score) for f in detector.detect(pixels, scale)]


@pytest.mark.shared
def test_faces_equal_dlibs(
    shared: Path,
    detector: MmodDetector,
    oracle: Callable[[Pixels, int], list[tuple[Any, ...]]],
    photo: Callable[..., Pixels],
) -> None:
    portraits = [photo(path) for path in sorted((shared / "data/faces/strangers").glob("*.jpg"))[:3]]
    scene = photo(shared / "data/scenes/groups/bbt2.jpg", 450)
    total = 0
    for pixels in (*portraits, portraits[0][11:, 7:-30], scene):
        expected = oracle(np.ascontiguousarray(pixels), 0)
        assert own(detector, pixels, 1.0) == expected
        total += len(expected)
    assert total >= 5


@pytest.mark.shared
def test_faces_of_a_picture_enlarged_twice_equal_dlibs(
    shared: Path,
    detector: MmodDetector,
    oracle: Callable[[Pixels, int], list[tuple[Any, ...]]],
    photo: Callable[..., Pixels],
) -> None:
    tiny = photo(sorted((shared / "data/faces/strangers").glob("*.jpg"))[0], 81)
    expected = oracle(tiny, 2)
    assert len(expected) == 1
    assert own(detector, tiny, 4.0) == expected


@pytest.mark.shared
def test_other_scales_find_the_same_face_best(
    shared: Path, detector: MmodDetector, photo: Callable[..., Pixels]
) -> None:
    pixels = photo(sorted((shared / "data/faces/strangers").glob("*.jpg"))[0])
    (whole,) = detector.detect(pixels)
    for scale in (0.9, 1.3, 2.5):
        face = detector.detect(pixels, scale)[0]
        assert abs(face.box.x + face.box.w / 2 - whole.box.x - whole.box.w / 2) < 12
        assert 0.8 < face.box.w / whole.box.w < 1.25


@pytest.mark.parametrize("size", [(1, 1), (39, 500), (500, 39), (40, 40), (41, 400), (400, 41)])
def test_small_and_narrow_pictures_hold_nobody(
    detector: MmodDetector, noise: Callable[..., Pixels], size: tuple[int, int]
) -> None:
    assert detector.detect(noise(*size)) == []


@pytest.mark.parametrize(("height", "width"), [(333, 150), (512, 97), (1000, 61)])
def test_bands_give_the_scores_of_one_run(built: Path, height: int, width: int) -> None:
    network = Session((built / "detector.onnx").read_bytes(), threads=1, arena=False)
    tiles = np.random.default_rng(3).normal(0, 0.3, (1, 3, height, width)).astype(np.float32)
    (whole,) = network(tiles)
    for band in (1, 50_000, 10_000_000):
        assert np.allclose(MmodDetector(network, band).scores(tiles), whole[0, 0], atol=1e-5)


def test_doubled_is_dlibs_enlargement(dlib: ModuleType, noise: Callable[..., Pixels]) -> None:
    pixels = noise(123, 77)
    expected = dlib.resize_image(pixels, 155, 248).astype(int)
    difference = np.abs(pyramid.doubled(pixels) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


sizes = st.integers(1, 700)


@given(sizes, sizes)
def test_tiles_lie_apart_and_inside(width: int, height: int) -> None:
    plan = pyramid.layout(width, height)
    assert (plan.tiles[0].width, plan.tiles[0].height) == (width, height)
    for tile in plan.tiles:
        assert tile.left >= 11
        assert tile.top >= 11
        assert tile.left + tile.width <= plan.width - 11
        assert tile.top + tile.height <= plan.height - 11
    for one, other in itertools.combinations(plan.tiles, 2):
        beside = one.left + one.width <= other.left or other.left + other.width <= one.left
        assert beside or one.top + one.height <= other.top or other.top + other.height <= one.top


@given(sizes, sizes, st.floats(0, 1), st.floats(0, 1))
def test_a_square_goes_back_to_where_its_level_came_from(width: int, height: int, right: float, down: float) -> None:
    plan = pyramid.layout(width, height)
    for level, tile in enumerate(plan.tiles[:12]):
        offset = np.array([right * (tile.width - 1), down * (tile.height - 1)])
        centre = np.array([[tile.left, tile.top]]) + offset
        (square,) = pyramid.to_picture(plan, centre, 5.0)
        corner = offset - 5
        for _ in range(level):
            corner = corner * 6 / 5 + 0.3
        assert np.allclose(square[:2], corner)
        assert np.allclose(square[2:] - square[:2], 10 * 1.2**level)


boxes = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(5, 40), st.integers(5, 40)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(boxes, max_size=12))
def test_of_overlapping_faces_the_best_stays(rectangles: list[tuple[int, ...]]) -> None:
    scores = np.linspace(2, 1, len(rectangles)).astype(np.float32)
    expected: list[tuple[int, ...]] = []
    for one in rectangles:  # as loss_mmod_::to_label does it, one pair at a time
        if all(overlap(one, other) <= mmod.MAX_OVERLAP for other in expected):
            expected.append(one)
    kept = mmod.strongest(np.array(rectangles, np.float64).reshape(-1, 4), scores)
    assert [tuple(map(int, rectangle)) for rectangle, _ in kept] == expected


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0]) + 1
    down = min(one[3], other[3]) - max(one[1], other[1]) + 1
    common = max(across, 0) * max(down, 0)
    areas = [(r[2] - r[0] + 1) * (r[3] - r[1] + 1) for r in (one, other)]
    return common / (sum(areas) - common)
