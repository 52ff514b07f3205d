"""Parts of the picture that nobody is to see: polygons, in shares of width and height, as a map of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Polygon: TypeAlias = "Sequence[tuple[float, float]]"
Map: TypeAlias = "npt.NDArray[np.bool_]"
"""Shape (height, width): True where the picture is blacked out."""

_LINES = (0.0, 0.5, 1.0)
"""Where a row of pixels is cut by the polygon: at its upper edge, its middle, its lower edge."""


def mask_map(polygons: Sequence[Polygon], width: int, height: int) -> Map | None:
    """Pixels that a polygon touches are inside (even-odd rule); None where nothing is masked."""
    found = np.zeros((height, width), np.bool_)
    for polygon in polygons:
        corners = [(x * width, y * height) for x, y in polygon]
        for row in range(height):
            for line in _LINES:
                cuts = _cuts(corners, row + line)
                for start, end in zip(cuts[::2], cuts[1::2], strict=True):
                    found[row, max(0, math.floor(start)) : math.ceil(end)] = True
    return found if found.any() else None


def _cuts(corners: Sequence[tuple[float, float]], y: float) -> list[float]:
    """Where the horizontal line at `y` crosses the polygon, sorted: always an even number."""
    cuts = []
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y0 <= y) != (y1 <= y):
            cuts.append(x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return sorted(cuts)
