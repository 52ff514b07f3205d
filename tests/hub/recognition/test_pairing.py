"""Which faces of two detectors are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Box
from hub.recognition.pairing import SAME, pairs, places, union_share

boxes = st.builds(Box, st.floats(0, 50), st.floats(0, 50), st.floats(1, 60), st.floats(1, 60))


def test_the_best_overlap_pairs_first() -> None:
    ours = [Box(0, 0, 100, 100), Box(10, 0, 100, 100), Box(500, 0, 50, 50)]
    theirs = [Box(11, 0, 100, 100), Box(300, 0, 100, 100)]
    assert pairs(ours, theirs) == [None, 0, None]
    assert pairs([], theirs) == []


@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=5))
def test_each_face_is_one_face(ours: list[Box], theirs: list[Box]) -> None:
    found = pairs(ours, theirs)
    used = [other for other in found if other is not None]
    assert len(used) == len(set(used))
    for index, other in enumerate(found):
        if other is not None:
            assert union_share(ours[index], theirs[other]) >= SAME
        elif any(union_share(ours[index], theirs[free]) >= SAME for free in set(range(len(theirs))) - {*used}):
            raise AssertionError("two that overlap are left over")


@given(boxes, boxes)
def test_a_share_is_one(one: Box, other: Box) -> None:
    assert 0 <= union_share(one, other) <= 1 + 1e-9
    assert union_share(one, other) == union_share(other, one)
    assert abs(union_share(one, one) - 1) < 1e-9


@given(st.lists(st.lists(boxes, max_size=4), max_size=4))
def test_every_face_has_one_number(sights: list[list[Box]]) -> None:
    numbers = places(sights)
    assert [len(found) for found in numbers] == [len(sight) for sight in sights]
    assert all(len(found) == len({*found}) for found in numbers), "two faces of one sight are two"
    seen = [number for found in numbers for number in found]
    assert {*seen} == {*range(len({*seen}))}
    first: dict[int, Box] = {}
    for sight, found in zip(sights, numbers, strict=True):
        for box, number in zip(sight, found, strict=True):
            assert union_share(box, first.setdefault(number, box)) >= SAME


def test_a_later_sight_adds_what_the_first_overlooked() -> None:
    left, right, below = Box(0, 0, 50, 50), Box(100, 0, 50, 50), Box(0, 100, 50, 50)
    assert places([[right], [left, Box(101, 0, 50, 50)], [below, left]]) == [[0], [1, 0], [2, 1]]
