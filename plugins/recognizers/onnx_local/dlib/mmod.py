"""dlib's face detector (max-margin object detection) as an ONNX graph, and as a stage of the pack.

Method: King, "Max-Margin Object Detection" (arXiv:1502.00046); source of box decoding and suppression:
loss_mmod_ in dlib/dnn/loss.h.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hub.plugin import Box, Pixels

from ..stages import Found, Network
from .serialized import DamagedFileError, Reader

if TYPE_CHECKING:
    from onnx import ModelProto

WINDOW: Final = 80
"""Side of the only detector window, in pixels of a pyramid level."""

MAX_OVERLAP: Final = 0.3382761351109955
"""Intersection over union above which the weaker of two faces is dropped (overlaps_nms in the file)."""

MEAN: Final = np.array([122.782, 117.001, 104.298], dtype=np.float32)
"""Of red, green and blue, subtracted from every pixel."""

STRIDE, OFFSET = 8, 14
"""Output cell to input pixel: three 5×5 convolutions of stride 2 without padding, the others centred."""

_CELL, _REACH = 29, 10
"""Input pixels a side that the strided convolutions gather into one cell, and cells around it that the others see."""

_SMALLEST_PICTURE: Final = 40
"""A shorter side, in pixels searched, holds no face of the window's size."""

Rectangle: TypeAlias = npt.NDArray[np.float64]
"""Shape (..., 4): left, top, right, bottom; the last row and column are inside, as in dlib."""


def convert(data: bytes) -> ModelProto:
    """The network of mmod_human_face_detector.dat.

    Input `tiles`: float32 (1, 3, height, width) as made by `pyramid.tiled`. Output: float32
    (1, 1, rows, columns), a score a cell. Raises DamagedFileError.
    """
    from onnx import TensorProto, helper

    from .graph import Graph, folded, widened
    from .layers import read_layers, read_nesting

    reader = Reader(data, "the face detector")
    reader.expect(1)
    reader.expect("loss_mmod_")
    reader.expect(1)
    reader.expect(WINDOW), reader.expect(WINDOW)
    for _ in range(3):
        reader.real()  # losses and matching threshold of the training
    overlap, covered = reader.real(), reader.real()
    reader.real(), reader.real()  # what the training ignored
    nesting = read_nesting(reader)
    reader.expect("input_rgb_image_pyramid")
    mean = np.array([reader.real() for _ in range(3)])
    if (overlap, covered) != (MAX_OVERLAP, 1.0) or (mean != MEAN).any():
        raise DamagedFileError("the face detector: its overlap or means are not the expected ones")
    graph = Graph("tiles", (3, 0, 0))
    graph.add(widened(folded(read_layers(reader, nesting))))
    tiles = helper.make_tensor_value_info("tiles", TensorProto.FLOAT, [1, 3, "height", "width"])
    return graph.model("mmod_human_face_detector", tiles, [1, 1, "rows", "columns"])


class MmodDetector:
    """A stages.Detector that finds what dlib's cnn_face_detection_model_v1 finds in the same pixels."""

    smallest: int = WINDOW

    def __init__(self, network: Network, band: int = 6_000_000) -> None:
        """`band`: the most pixels of the tiled pyramid that the network gets at once (about 75 MB a million)."""
        self._network = network
        self._band = band

    def detect(self, pixels: Pixels, scale: float = 1.0) -> list[Found]:
        """Faces in `pixels`, best score first, looked for at `scale`; boxes may reach beyond the picture.

        A scale of 2, 4, … enlarges as dlib does when told to upsample once, twice, …
        """
        from .. import scaling
        from . import pyramid

        doublings = round(math.log2(scale))
        if doublings < 1 or scale != 2**doublings:
            pixels, across, down = scaling.scaled(pixels, scale)
            return [scaling.moved(_found(*face), 1 / across, 1 / down) for face in self._search(pixels)]
        for _ in range(doublings):
            pixels = pyramid.doubled(pixels)
        return [_found(pyramid.halved(rectangle, doublings), score) for rectangle, score in self._search(pixels)]

    def _search(self, pixels: Pixels) -> list[tuple[Rectangle, float]]:
        from . import pyramid

        height, width = pixels.shape[:2]
        if min(height, width) < _SMALLEST_PICTURE:
            return []
        plan = pyramid.layout(width, height)
        scores = self.scores(pyramid.tiled(pixels, plan, MEAN))
        rows, columns = np.nonzero(scores > 0)
        found = scores[rows, columns]
        order = np.argsort(-found, kind="stable")
        centres = np.stack([columns, rows], axis=1)[order] * STRIDE + OFFSET
        squares = pyramid.to_picture(plan, centres.astype(np.float64), (WINDOW - 1) / 2)
        return strongest(np.floor(squares + 0.5), found[order])

    def scores(self, tiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The network's output for `tiles` (1, 3, height, width): (rows, columns), a score a cell.

        Large inputs go through in bands of rows, so that memory stays bounded; the bands overlap by what the
        network sees beyond a cell, and the scores are those of one run.
        """
        height, width = tiles.shape[2:]
        rows = (height - _CELL) // STRIDE + 1
        at_once = max(int(self._band / (width * STRIDE)) - 2 * _REACH, 1)
        bands = []
        for first in range(0, rows, at_once):
            start, stop = max(first - _REACH, 0), min(first + at_once + _REACH, rows)
            band = tiles[:, :, start * STRIDE : (stop - 1) * STRIDE + _CELL]
            scored = self._network(np.ascontiguousarray(band))[0][0, 0]
            bands.append(scored[first - start :][:at_once])
        return np.concatenate(bands)


def _found(rectangle: Rectangle, score: float) -> Found:
    left, top, right, bottom = rectangle.tolist()
    return Found(Box(left, top, right - left + 1, bottom - top + 1), score)


def strongest(rectangles: Rectangle, scores: npt.NDArray[np.float32]) -> list[tuple[Rectangle, float]]:
    """Non-maximum suppression over rectangles of shape (n, 4), best first."""
    kept: list[tuple[Rectangle, float]] = []
    while len(rectangles):
        best, rest = rectangles[0], rectangles[1:]
        kept.append((best, float(scores[0])))
        sides = np.minimum(best[2:], rest[:, 2:]) - np.maximum(best[:2], rest[:, :2]) + 1
        common = sides.clip(min=0).prod(axis=1)
        apart = common <= MAX_OVERLAP * (_area(best) + _area(rest) - common)
        rectangles, scores = rest[apart], scores[1:][apart]
    return kept


def _area(rectangles: Rectangle) -> npt.NDArray[np.float64]:
    area: npt.NDArray[np.float64] = (rectangles[..., 2:] - rectangles[..., :2] + 1).prod(axis=-1)
    return area
