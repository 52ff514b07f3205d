"""Sorting and finding."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hub.overview.order import natural, plain


def test_classes_stand_in_order_of_their_numbers() -> None:
    assert sorted(["10A", "9B", "9A", "11"], key=natural) == ["9A", "9B", "10A", "11"]


def test_names_stand_where_people_look_for_them() -> None:
    names = ["Zoë", "Łucja", "Mia", "Ørsted", "Oskar", "élodie", "Erik"]
    assert sorted(names, key=natural) == ["élodie", "Erik", "Łucja", "Mia", "Ørsted", "Oskar", "Zoë"]


@given(st.lists(st.text()))
def test_any_texts_can_be_sorted(texts: list[str]) -> None:
    ordered = sorted(texts, key=natural)
    assert all(natural(one) <= natural(other) for one, other in pairwise(ordered))


@given(st.text())
def test_what_is_plain_stays_so(text: str) -> None:
    assert plain(plain(text)) == plain(text)
