"""Crops of faces set side by side in one picture: Azure bills and limits pictures, not faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hub.plugin import Picture, Pixels
from hub.plugin.media import encode_jpeg

from .api import Found

SIDE: Final = 360
"""Longest side of a crop in a sheet, in pixels."""
COLUMNS: Final = 5
GAP: Final = 16
MOST: Final = 10
"""Crops in a sheet: two rows of five stay below 1920×1080, up to which Azure finds faces of 36 pixels."""
GREY: Final = 127
SMALLEST_FILE: Final = 1024
"""Bytes; Azure takes no smaller file."""
OFF_CENTRE: Final = 0.3
"""How far the middle of a face may lie from the middle of its crop, as a share of the crop's sides; one further away
is a neighbour."""


@dataclass(frozen=True, slots=True)
class Tile:
    left: int
    top: int
    width: int
    height: int

    def distance(self, face: Found) -> float:
        """From the middle, in shares of the sides: 0.5 is the edge."""
        x, y = face.centre
        return max(abs(x - self.left - self.width / 2) / self.width, abs(y - self.top - self.height / 2) / self.height)


@dataclass(frozen=True, slots=True)
class Sheet:
    """`tiles` are where the crops are in the picture, in order."""

    jpeg: bytes
    tiles: tuple[Tile, ...]

    def meant(self, faces: Sequence[Found]) -> list[Found | None]:
        """For each crop the face nearest to its middle, if it is near enough."""
        return [_nearest(tile, faces) for tile in self.tiles]


def sheet_of(crops: Sequence[Picture], side: int = SIDE) -> Sheet:
    """Up to MOST crops, each reduced to at most `side` pixels."""
    reduced = [_reduced(crop.pixels, side) for crop in crops]
    columns = min(len(reduced), COLUMNS)
    width = max(pixels.shape[1] for pixels in reduced) + GAP
    height = max(pixels.shape[0] for pixels in reduced) + GAP
    rows = -(-len(reduced) // columns)
    paper = np.full((rows * height + GAP, columns * width + GAP, 3), GREY, np.uint8)
    tiles = []
    for place, pixels in enumerate(reduced):
        tile = Tile(GAP + place % columns * width, GAP + place // columns * height, pixels.shape[1], pixels.shape[0])
        paper[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = pixels
        tiles.append(tile)
    jpeg = encode_jpeg(paper)
    # What follows the end of a JPEG is ignored; an almost empty sheet would be refused as too small a file.
    return Sheet(jpeg.ljust(SMALLEST_FILE, b"\0"), tuple(tiles))


def _reduced(pixels: Pixels, side: int) -> Pixels:
    from PIL import Image

    if max(pixels.shape[:2]) <= side:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _nearest(tile: Tile, faces: Sequence[Found]) -> Found | None:
    nearest = min(faces, key=tile.distance, default=None)
    return nearest if nearest is not None and tile.distance(nearest) <= OFF_CENTRE else None
