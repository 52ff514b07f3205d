from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hub.recognition.calibration import calibrate, halfway
from hub.recognition.policy import Thresholds
from tests.support.faces import images

MODEL = Thresholds(threshold=0.6, single_frame=0.7, margin=0.0)
School = dict[str, npt.NDArray[np.float32]]


def school(people: int, each: int, **options: float) -> School:
    return {f"p{n:03}": images(n, each, **options) for n in range(people)}  # type: ignore[arg-type]


def false_matches(school: School, threshold: float) -> float:
    """The slow way: every image as a stranger to the rest of the school."""
    means = {person: own / np.linalg.norm(own, axis=1, keepdims=True) for person, own in school.items()}
    means = {person: own.mean(axis=0) / np.linalg.norm(own.mean(axis=0)) for person, own in means.items()}
    hits = [
        max(float(image @ means[other] / np.linalg.norm(image)) for other in school if other != person) >= threshold
        for person, own in school.items()
        for image in own
    ]
    return sum(hits) / len(hits)


def test_the_threshold_keeps_false_matches_to_the_target_and_no_lower() -> None:
    pupils = school(60, 6)
    found = calibrate(pupils, "cosine", MODEL, target_fpir=0.05)
    assert (found.measured, found.people, found.trials, found.genuine) == (True, 60, 360, 360)
    assert found.fpir == pytest.approx(false_matches(pupils, found.thresholds.threshold))
    assert found.fpir == pytest.approx(0.05)
    assert false_matches(pupils, found.thresholds.threshold - 2e-4) > 0.05
    assert found.fnir == 0
    assert found.note == "measured on 360 searches with images of 60 people for at most 5 % false matches"


def test_a_rarer_target_is_a_higher_threshold() -> None:
    pupils = school(60, 6)
    rates = (0.01, 0.02, 0.05, 0.2)
    found = [calibrate(pupils, "cosine", MODEL, target_fpir=rate).thresholds.threshold for rate in rates]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_too_few_images_say_so_and_leave_the_models_thresholds() -> None:
    found = calibrate(school(10, 3), "cosine", MODEL, target_fpir=0.01)
    assert (found.measured, found.thresholds, found.trials) == (False, MODEL, 30)
    assert found.note == (
        "30 searches with images of 10 people are too few to speak of 1 % false matches (300 needed); "
        "the model's thresholds stand"
    )


def test_the_rule_of_three_is_the_bound() -> None:
    assert not calibrate(school(59, 1), "cosine", MODEL, target_fpir=0.05).measured
    assert calibrate(school(60, 1), "cosine", MODEL, target_fpir=0.05).measured


def test_a_single_frame_is_stricter() -> None:
    few = calibrate(school(60, 6), "cosine", MODEL, target_fpir=0.05).thresholds
    assert few.single_frame - few.threshold == pytest.approx(0.1)
    many = calibrate(school(100, 6), "cosine", MODEL, target_fpir=0.05)
    assert false_matches(school(100, 6), many.thresholds.single_frame) == pytest.approx(0.005)


def test_the_margin_is_part_of_the_rule() -> None:
    pupils = school(60, 6)
    apart = Thresholds(0.6, 0.7, margin=0.05)
    assert (
        calibrate(pupils, "cosine", apart, target_fpir=0.05).thresholds.threshold
        < calibrate(pupils, "cosine", MODEL, target_fpir=0.05).thresholds.threshold
    )


def test_images_that_are_not_recognised_are_counted() -> None:
    found = calibrate(school(10, 6, noise=0.9), "cosine", MODEL)
    assert found.fnir is not None
    assert 0.02 < found.fnir < 0.5


def test_images_left_out_are_counted_and_said() -> None:
    found = calibrate(school(60, 6, noise=1.2), "cosine", MODEL, target_fpir=0.05)
    assert found.outliers == 360 - found.trials > 0
    assert f"({found.outliers} that disagree with their person's others left out)" in found.note


def test_somebody_elses_image_in_a_folder_takes_no_part() -> None:
    pupils = school(60, 6)
    mixed = pupils | {"p000": np.concatenate([pupils["p000"], pupils["p001"][:1]])}
    assert calibrate(mixed, "cosine", MODEL, target_fpir=0.05).thresholds == (
        calibrate(pupils, "cosine", MODEL, target_fpir=0.05).thresholds
    )


@pytest.mark.parametrize("pupils", [{}, school(1, 5), {"ada": np.zeros((0, 64), np.float32)}])
def test_a_school_without_two_people_has_no_trials(pupils: School) -> None:
    found = calibrate(pupils, "cosine", MODEL)
    assert (found.measured, found.thresholds, found.trials, found.fpir, found.fnir) == (False, MODEL, 0, None, None)


def test_two_people_are_each_others_strangers() -> None:
    found = calibrate(school(2, 3), "euclidean", Thresholds(0.3, 0.5, 0.05))
    assert (found.trials, found.genuine, found.fpir, found.fnir) == (6, 6, 0.0, 0.0)


def test_a_single_image_says_nothing_of_being_missed() -> None:
    found = calibrate(school(60, 1), "cosine", MODEL, target_fpir=0.05)
    assert (found.genuine, found.fnir) == (0, None)


def test_halfway_lies_between_a_persons_farthest_and_the_nearest_other() -> None:
    model = Thresholds(0.5, 0.6, 0.05)
    people = {"a": [[0.0, 0.0], [0.1, 0.0]], "b": [[1.0, 0.0], [1.1, 0.0]]}
    found = halfway({person: np.array(images) for person, images in people.items()}, "euclidean", model)
    own, nearest = 1 - 0.1, 1 - 0.95
    assert found.threshold == found.single_frame == pytest.approx((own + nearest) / 2)


def test_halfway_is_the_models_where_people_are_not_apart() -> None:
    model = Thresholds(0.5, 0.6, 0.05)
    mixed = {"a": np.array([[0.0, 0.0], [1.0, 0.0]]), "b": np.array([[0.5, 0.0], [1.5, 0.0]])}
    assert halfway(mixed, "euclidean", model) == model
    assert halfway({}, "euclidean", model) == model
    assert halfway({"a": np.array([[0.0, 0.0]])}, "euclidean", model) == model
