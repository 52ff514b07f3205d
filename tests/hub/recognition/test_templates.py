from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.recognition.similarity import scores
from hub.recognition.templates import template
from tests.support.faces import images

METRICS = [("cosine", 0.6), ("euclidean", 0.4)]


@pytest.mark.parametrize(("metric", "threshold"), METRICS)
def test_one_image_is_its_own_template(metric: str, threshold: float) -> None:
    (only,) = images(1, 1)
    made = template(only[None], metric, threshold)
    assert (made.used, made.outliers) == ((0,), ())
    assert scores(made.vector[None], only[None], metric) == pytest.approx(np.ones((1, 1)), abs=1e-3)
    assert made.vector.dtype == np.float32


@pytest.mark.parametrize(("metric", "threshold"), METRICS)
@pytest.mark.parametrize("count", [2, 3, 8])
def test_somebody_elses_image_is_left_out(metric: str, threshold: float, count: int) -> None:
    own, foreign = images(1, count), images(2, 1)
    made = template(np.concatenate([own[:1], foreign, own[1:]]), metric, threshold)
    assert made.outliers == (1,)
    assert made.used == (0, *range(2, count + 1))
    assert np.array_equal(made.vector, template(own, metric, threshold).vector)


@pytest.mark.parametrize(("metric", "threshold"), METRICS)
def test_two_foreign_images_are_left_out(metric: str, threshold: float) -> None:
    mixed = np.concatenate([images(1, 5), images(2, 2)])
    assert template(mixed, metric, threshold).outliers == (5, 6)


def test_of_two_that_disagree_none_is_dropped() -> None:
    assert template(np.concatenate([images(1, 1), images(2, 1)]), "cosine", 0.6).outliers == ()


def test_a_damaged_image_is_an_outlier() -> None:
    mixed = images(1, 4)
    mixed[2] = np.nan
    made = template(mixed, "cosine", 0.6)
    assert made.outliers == (2,)
    assert np.isfinite(made.vector).all()


def test_a_bright_image_weighs_no_more_by_cosine() -> None:
    own = images(1, 3)
    loud = own * np.array([[1], [100], [1]], np.float32)
    assert template(loud, "cosine", 0.6).vector == pytest.approx(template(own, "cosine", 0.6).vector, abs=1e-6)
    assert np.linalg.norm(template(own, "cosine", 0.6).vector) == pytest.approx(1)


@given(st.permutations(range(7)), st.sampled_from(METRICS))
def test_the_order_of_the_images_does_not_matter(order: list[int], metric: tuple[str, float]) -> None:
    mixed = np.concatenate([images(1, 5), images(2, 2)])
    straight, shuffled = template(mixed, *metric), template(mixed[order], *metric)
    assert np.array_equal(straight.vector, shuffled.vector)
    assert sorted(order[index] for index in shuffled.outliers) == list(straight.outliers)


def test_there_is_no_template_without_images() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        template(np.zeros((0, 64)), "cosine", 0.6)
