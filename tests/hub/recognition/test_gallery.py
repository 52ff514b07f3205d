from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Candidate
from hub.recognition.gallery import NumpyGallery
from hub.recognition.similarity import scores
from tests.support.faces import images

PEOPLE = NumpyGallery(["cem", "ada", "bob"], np.eye(3)[[2, 0, 1]], "cosine", 7)


async def test_the_closest_first() -> None:
    ((best, second),) = await PEOPLE.search(np.array([[0.6, 0.8, 0]]), 2)
    assert (best, second) == (Candidate("bob", 0.8), Candidate("ada", 0.6))


async def test_a_list_for_each_probe() -> None:
    found = await PEOPLE.search(np.eye(3), 1)
    assert [[candidate.person for candidate in row] for row in found] == [["ada"], ["bob"], ["cem"]]
    assert await PEOPLE.search(np.zeros((0, 3)), 1) == []


async def test_ties_go_by_id() -> None:
    (row,) = await PEOPLE.search(np.ones((1, 3)), 2)
    assert [candidate.person for candidate in row] == ["ada", "bob"]


async def test_more_than_there_are() -> None:
    assert [len(row) for row in await PEOPLE.search(np.eye(3), 99)] == [3, 3, 3]


async def test_among_restricts_and_ignores_whom_it_does_not_know() -> None:
    (row,) = await PEOPLE.search(np.eye(3)[:1], 9, among={"bob", "cem", "zoe"})
    assert [candidate.person for candidate in row] == ["bob", "cem"]
    assert await PEOPLE.search(np.eye(3)[:1], 9, among=["zoe"]) == [[]]
    assert await PEOPLE.search(np.eye(3)[:1], 9, among=[]) == [[]]


async def test_an_empty_gallery_knows_nobody() -> None:
    assert await NumpyGallery.empty("euclidean").search(np.ones((2, 128)), 3) == [[], []]


async def test_nobody_is_asked_for() -> None:
    assert await PEOPLE.search(np.eye(3)[:1], 0) == [[]]


async def test_a_snapshot_does_not_change_with_what_it_was_made_of() -> None:
    ids, matrix = ["ada"], np.eye(3)[:1]
    gallery = NumpyGallery(ids, matrix, "cosine", 1)
    matrix[0], ids[0] = 0, "bob"
    assert await gallery.search(np.eye(3)[:1], 1) == [[Candidate("ada", 1.0)]]
    with pytest.raises(ValueError, match="read-only"):
        gallery.matrix[0] = 0


def test_the_version_is_kept() -> None:
    assert (PEOPLE.version, PEOPLE.ids, PEOPLE.metric) == (7, ("ada", "bob", "cem"), "cosine")


def test_one_template_a_person() -> None:
    with pytest.raises(ValueError, match="one template a person"):
        NumpyGallery(["ada", "ada"], np.eye(2), "cosine", 1)
    with pytest.raises(ValueError, match="1 ids for 2 templates"):
        NumpyGallery(["ada"], np.eye(2), "cosine", 1)


@given(st.sampled_from(["cosine", "euclidean"]), st.integers(1, 25), st.permutations(range(20)))
async def test_exact_whatever_the_order_of_enrolment(metric: str, k: int, order: list[int]) -> None:
    matrix = np.concatenate([images(person, 1) for person in range(20)])
    ids = [f"p{n:02}" for n in range(20)]
    probes = np.concatenate([images(person, 2)[1:] for person in range(0, 20, 5)])
    shuffled = NumpyGallery([ids[n] for n in order], matrix[order], metric, 1)
    everybody = np.round(scores(probes, matrix, metric).astype(float), 4)
    for row, found in zip(everybody, await shuffled.search(probes, k), strict=True):
        wanted = sorted(zip(-row, ids, strict=True))[:k]
        assert [candidate.person for candidate in found] == [person for _, person in wanted]
        assert [candidate.score for candidate in found] == pytest.approx([-score for score, _ in wanted], abs=1.1e-4)
