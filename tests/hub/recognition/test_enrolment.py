from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Box, Face, Quality, Sight
from hub.recognition.enrolment import Refusal, Verdict, judge, portrayed
from hub.recognition.gallery import NumpyGallery
from hub.recognition.policy import Gates, Thresholds
from hub.recognition.templates import template
from tests.support.faces import images

THRESHOLDS = Thresholds(0.6, 0.7, 0.05)
GATES = Gates(min_size=40, min_sharpness=10, max_turn=45)
NOBODY = NumpyGallery.empty("cosine")


def seen(size: float = 100, sharpness: float = 50, yaw: float = 0) -> Face:
    return Face(Box(0, 0, size, size), 1.0, Quality(size, sharpness, yaw), np.zeros(64, np.float32))


def gallery(**people: int) -> NumpyGallery:
    """Each person's template is made of the images that `tests.support.faces` invents for a number."""
    templates = [template(images(number, 5), "cosine", 0.6).vector for number in people.values()]
    return NumpyGallery(list(people), np.stack(templates), "cosine", 1)


# what a portrait shows


def test_the_only_face() -> None:
    face = seen()
    assert portrayed(Sight((face,)), GATES) is face


@pytest.mark.parametrize(
    ("sight", "refusal"),
    [
        (Sight(), Refusal.NO_FACE),
        (Sight(too_small=(Box(0, 0, 9, 9),) * 2), Refusal.TOO_SMALL),
        (Sight((seen(100), seen(90))), Refusal.SEVERAL_FACES),
        (Sight((seen(90), seen(100))), Refusal.SEVERAL_FACES),
        (Sight((seen(39),)), Refusal.TOO_SMALL),
        (Sight((seen(sharpness=9),)), Refusal.BLURRED),
        (Sight((seen(yaw=-50),)), Refusal.TURNED_AWAY),
    ],
)
def test_what_does_not_serve(sight: Sight, refusal: Refusal) -> None:
    assert portrayed(sight, GATES) is refusal


def test_a_small_face_in_the_background_is_passed_over() -> None:
    portrait, bystander = seen(100), seen(50)
    assert portrayed(Sight((bystander, portrait), too_small=(Box(0, 0, 9, 9),)), GATES) is portrait


# whose face it is


def test_a_persons_own_images_serve() -> None:
    assert judge(images(1, 4), "ada", gallery(bob=2), THRESHOLDS) == [Verdict()] * 4
    assert judge(images(1, 1), "ada", NOBODY, THRESHOLDS) == [Verdict()]
    assert judge(np.zeros((0, 64)), "ada", NOBODY, THRESHOLDS) == []


def test_a_stranger_among_them_disagrees() -> None:
    mixed = np.concatenate([images(1, 3), images(3, 1)])
    assert judge(mixed, "ada", gallery(bob=2), THRESHOLDS) == [*[Verdict()] * 3, Verdict(Refusal.DISAGREES)]


def test_somebody_elses_image_says_whose() -> None:
    mixed = np.concatenate([images(1, 3), images(2, 1)])
    verdict = judge(mixed, "ada", gallery(bob=2, cem=3), THRESHOLDS)[3]
    assert verdict == Verdict(Refusal.MATCHES_OTHER, "bob")
    assert verdict.text == "it looks like somebody else: bob"


def test_a_folder_of_somebody_enrolled_already_is_refused_as_far_as_it_can_be_known() -> None:
    assert judge(images(2, 1), "ada", gallery(bob=2), THRESHOLDS) == [Verdict(Refusal.MATCHES_OTHER, "bob")]


def test_a_likeness_weaker_than_to_ones_own_images_is_no_obstacle() -> None:
    one, other = images(1, 1, noise=0)[0], images(2, 1, noise=0)[0]
    sibling = NumpyGallery(["bob"], (one + 0.9 * other)[None], "cosine", 1)
    assert judge(images(1, 4), "ada", sibling, THRESHOLDS) == [Verdict()] * 4


def test_being_enrolled_already_is_no_obstacle() -> None:
    assert judge(images(1, 4), "ada", gallery(ada=1, bob=2), THRESHOLDS) == [Verdict()] * 4


@given(st.permutations(range(5)))
def test_the_order_of_the_images_does_not_matter(order: list[int]) -> None:
    mixed = np.concatenate([images(1, 3), images(2, 1), images(3, 1)])
    known = gallery(bob=2)
    straight = judge(mixed, "ada", known, THRESHOLDS)
    assert judge(mixed[order], "ada", known, THRESHOLDS) == [straight[index] for index in order]
    assert [verdict.refusal for verdict in straight[3:]] == [Refusal.MATCHES_OTHER, Refusal.DISAGREES]


def test_what_serves_says_nothing() -> None:
    assert Verdict().text == ""
    assert Verdict(Refusal.NO_FACE).text == "there is no face in it"
