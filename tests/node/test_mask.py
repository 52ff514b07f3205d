"""What is masked: never less than the polygon."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from node.mask import mask_map

SHARE = st.floats(0, 1)


def test_nothing_is_no_map() -> None:
    assert mask_map([], 10, 10) is None


def test_a_rectangle_with_its_edges() -> None:
    found = mask_map([[(0.25, 0.5), (0.75, 0.5), (0.75, 1), (0.25, 1)]], 8, 4)
    assert found is not None
    assert found[2:, 2:6].all()
    assert not found[:1].any()
    assert not found[:, [0, 7]].any()


@settings(deadline=None, max_examples=40)
@given(SHARE, SHARE, SHARE, SHARE, st.integers(4, 60), st.integers(4, 60))
def test_every_pixel_whose_middle_is_inside_is_masked(
    x0: float, y0: float, x1: float, y1: float, width: int, height: int
) -> None:
    left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    found = mask_map([[(left, top), (right, top), (right, bottom), (left, bottom)]], width, height)
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    inside = np.outer((y > top) & (y < bottom), (x > left) & (x < right))
    assert not inside.any() or (found is not None and found[inside].all())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(SHARE, SHARE), min_size=3, max_size=8), st.integers(1, 40), st.integers(1, 40))
def test_any_polygon_is_drawn(polygon: list[tuple[float, float]], width: int, height: int) -> None:
    found = mask_map([polygon], width, height)
    assert found is None or found.shape == (height, width)


def test_two_polygons_that_overlap_are_both_masked() -> None:
    left, right = [(0, 0), (0.6, 0), (0.6, 1), (0, 1)], [(0.4, 0), (1, 0), (1, 1), (0.4, 1)]
    found = mask_map([left, right], 10, 10)
    assert found is not None
    assert found.all()
