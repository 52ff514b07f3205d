from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hub.recognition.similarity import scores

METRICS = ["cosine", "euclidean"]
numbers = st.floats(-100, 100, width=32)
vectors = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(5)), elements=numbers)


def test_cosine_knows_no_length() -> None:
    found = scores(np.array([[2.0, 0], [0, -3]]), np.array([[5.0, 0], [1, 1]]), "cosine")
    assert found == pytest.approx(np.array([[1, 0.5**0.5], [0, -(0.5**0.5)]]))


def test_euclidean_is_one_less_the_distance() -> None:
    found = scores(np.array([[0.0, 0], [3, 0]]), np.array([[0.0, 0], [0, 4]]), "euclidean")
    assert found == pytest.approx(np.array([[1, -3], [-2, -4]]))


@given(vectors, vectors)
def test_as_the_textbook_has_it(probes: np.ndarray, gallery: np.ndarray) -> None:
    distances = np.linalg.norm(probes[:, None].astype(float) - gallery[None], axis=2)
    assert scores(probes, gallery, "euclidean") == pytest.approx(1 - distances, abs=0.5)
    cosines = scores(probes, gallery, "cosine")
    lengths = np.linalg.norm(probes.astype(float), axis=1)[:, None] * np.linalg.norm(gallery.astype(float), axis=1)
    assert cosines * lengths == pytest.approx(probes.astype(float) @ gallery.T.astype(float), abs=0.1)
    assert np.abs(cosines).max() <= 1


def test_precise_where_decisions_are_made() -> None:
    chance = np.random.default_rng(0)
    gallery = chance.normal(size=(200, 128)) / 8
    probes = gallery[:50] + chance.normal(size=(50, 128)) / 25
    distances = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    assert np.abs(scores(probes, gallery, "euclidean") - (1 - distances)).max() < 1e-5


@pytest.mark.parametrize("metric", METRICS)
def test_shape_and_type(metric: str) -> None:
    found = scores(np.zeros((3, 4)), np.ones((2, 4)), metric)
    assert found.shape == (3, 2)
    assert found.dtype == np.float32
    assert scores(np.zeros((0, 4)), np.ones((2, 4)), metric).shape == (0, 2)


@pytest.mark.parametrize("metric", METRICS)
def test_a_damaged_vector_matches_nobody_and_spoils_nothing(metric: str) -> None:
    near = np.ones((1, 4), np.float32)
    for damage in (np.nan, np.inf, -np.inf):
        broken = near.copy()
        broken[0, 2] = damage
        found = scores(np.concatenate([broken, near]), near, metric)
        assert np.isfinite(found).all()
        assert found[0, 0] <= 0
        assert found[1, 0] == pytest.approx(1)


def test_zero_vectors_are_like_nothing() -> None:
    assert scores(np.zeros((1, 3)), np.eye(3), "cosine") == pytest.approx(np.zeros((1, 3)))


def test_tiny_and_huge_vectors_keep_their_direction() -> None:
    for size in (1e-30, 1e30):
        assert scores(np.array([[size, 0]]), np.array([[1.0, 0]]), "cosine") == pytest.approx(np.ones((1, 1)))


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown metric 'manhattan'; use 'cosine' or 'euclidean'"):
        scores(np.eye(2), np.eye(2), "manhattan")
