"""The pictures dlib's detector looks at: every level of a 5/6 pyramid tiled into one image, and doubled pictures.

Source: compute_tiled_image_pyramid_details and tiled_pyramid_to_image in dlib/image_transforms/image_pyramid.h,
resize_bilinear in dlib/cuda/cpu_dlib.cpp, input_rgb_image_pyramid in dlib/dnn/input.h. Levels lie only ten pixels
apart and the network sees 189, so neighbours colour each other's scores: only the same tiling gives the same faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from hub.plugin import Pixels

RATE: Final = 5 / 6
_SHRINK_SHIFT: Final = 0.3
"""pyramid_down<6>::point_up: point / (5/6) + 0.3, once a level."""

HALVING: Final = np.array([1.25, 0.75])
"""pyramid_down<2>::point_down: point / 2 - (1.25, 0.75)."""

_BETWEEN, _AROUND, _LOWEST = 10, 11, 5
"""Pixels between tiles and around them; levels lower than five rows are left out."""

_BILINEAR: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

TRUNCATION: Final = np.float32(1 / 512)
"""dlib cuts fractions off; this keeps a float32 just below a whole number from losing one."""


class Tile(NamedTuple):
    """Where a level lies in the tiled image, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The tiles, level 0 (the picture itself) first, and the size of the image that holds them."""

    width: int
    height: int
    tiles: tuple[Tile, ...]


def layout(width: int, height: int) -> Layout:
    """dlib's tiling of a picture of `width` × `height` pixels, at least 1 × 1."""
    sizes = [(width, height)]
    while True:
        width, height = math.floor(RATE * width), math.floor(RATE * height)
        if width == 0 or height < _LOWEST:
            break
        sizes.append((width, height))
    first_width, first_height = sizes[0]
    total = sum(tall + _BETWEEN for _, tall in sizes) - 2 * _BETWEEN
    column, previous = 0, 0
    for wide, tall in sizes:
        fits_beside = wide <= first_width - previous - _BETWEEN
        if fits_beside and (column - first_height) * 2 >= total - first_height:
            break
        column += tall + _BETWEEN
        previous = wide
    column -= _BETWEEN

    # Down the left side as far as the column goes, then up again along the right.
    tiles: list[Tile] = []
    top = _AROUND
    for wide, tall in sizes:
        if top >= column + _AROUND:
            break
        tiles.append(Tile(_AROUND, top, wide, tall))
        top += tall + _BETWEEN
    bottom = top - _BETWEEN - 1
    for wide, tall in sizes[len(tiles) :]:
        tile = Tile(_AROUND + first_width - wide, bottom - tall + 1, wide, tall)
        if tile.top < _AROUND + first_height:
            break
        tiles.append(tile)
        bottom -= tall + _BETWEEN
    return Layout(first_width + 2 * _AROUND, column + 2 * _AROUND, tuple(tiles))


def tiled(pixels: Pixels, plan: Layout, mean: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The network's input, shape (1, 3, height, width): (value - mean of the channel) / 256, zero between tiles."""
    image = np.zeros((3, plan.height, plan.width), dtype=np.float32)
    for channel, plane in enumerate(image):
        above = _part(plane, plan.tiles[0])
        np.subtract(pixels[..., channel], mean[channel], out=above)
        above *= np.float32(1 / 256)
        for tile in plan.tiles[1:]:
            level = _part(plane, tile)
            _shrink(above, level)
            above = level
    return image[None]


def _shrink(source: npt.NDArray[np.float32], target: npt.NDArray[np.float32]) -> None:
    rows, columns = target.shape
    matrix = _corner_to_corner(source, columns, rows)
    cv2.warpAffine(source, matrix, (columns, rows), target, _BILINEAR, cv2.BORDER_REPLICATE)


def _corner_to_corner(source: npt.NDArray[np.float32], columns: int, rows: int) -> npt.NDArray[np.float64]:
    """Target pixel → source pixel, corner onto corner (cv2.resize, centring on areas, does not offer this)."""
    height, width = source.shape[:2]
    across, down = (width - 1) / max(columns - 1, 1), (height - 1) / max(rows - 1, 1)
    return np.array([[across, 0, 0], [0, down, 0]])


def _part(plane: npt.NDArray[np.float32], tile: Tile) -> npt.NDArray[np.float32]:
    return plane[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]


def to_picture(plan: Layout, centres: npt.NDArray[np.float64], half_side: float) -> npt.NDArray[np.float64]:
    """Squares around `centres` (n, 2) of the tiled image, in the picture: (n, 4) left, top, right, bottom.

    A square belongs to the tile nearest to its centre.
    """
    tiles = np.array(plan.tiles, dtype=np.float64)
    first, last = tiles[:, :2], tiles[:, :2] + tiles[:, 2:] - 1
    outside = np.maximum(np.maximum(first - centres[:, None], centres[:, None] - last), 0)
    level = (outside**2).sum(axis=-1).argmin(axis=1)
    local = centres - first[level]
    squares = np.concatenate([local - half_side, local + half_side], axis=1)
    growth = RATE ** -level[:, None].astype(np.float64)
    # Growing by 1/RATE and shifting, level after level, is a geometric series.
    grown: npt.NDArray[np.float64] = squares * growth + _SHRINK_SHIFT * (growth - 1) / (1 / RATE - 1)
    return grown


def doubled(pixels: Pixels) -> Pixels:
    """dlib's pyramid_up with pyramid_down<2>: bilinear, corner onto corner, two columns and a row more than double."""
    height, width = pixels.shape[:2]
    source = pixels.astype(np.float32)
    size = (2 * width + 2, 2 * height + 1)
    matrix = _corner_to_corner(source, *size)
    sampled = cv2.warpAffine(source, matrix, size, flags=_BILINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (sampled + TRUNCATION).astype(np.uint8)


def halved(rectangle: npt.NDArray[np.float64], times: int) -> npt.NDArray[np.float64]:
    """A rectangle of a picture `doubled` so many times, in the picture before; whole pixels."""
    for _ in range(times):
        rectangle = rectangle / 2 - np.tile(HALVING, 2)
    return np.floor(rectangle + 0.5)
