"""dlib's five-point shape predictor, an ensemble of regression trees, over all trees and faces of a picture at once.

Method: Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees" (CVPR 2014);
source of the file's layout and of every rounding: dlib/image_processing/shape_predictor.h.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hub.plugin import Pixels

from .serialized import DamagedFileError, Reader
from .similarity import similarity

CASCADES, TREES, SPLITS, LEAVES, POINTS, FEATURES = 15, 500, 15, 16, 5, 800
_COORDINATES: Final = 2 * POINTS
_DEPTH: Final = 4

Rectangles: TypeAlias = npt.NDArray[np.int64]
"""Shape (n, 4): left, top, right, bottom, all inside, as dlib's `rectangle`."""

Landmarks: TypeAlias = npt.NDArray[np.int64]
"""Shape (n, 5, 2), pixels: outer and inner corner of the picture-right eye, the same of the picture-left, nose base."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapePredictor:
    """`initial` (5, 2); by cascade: `anchors` (15, 800) and `deltas` (15, 800, 2) place the pixels to look at;
    `splits` (15, 2, 500, 15) compares pairs of them with `thresholds` (15, 500, 15), `leaves` (15, 500, 16, 5, 2)."""

    initial: npt.NDArray[np.float32]
    anchors: npt.NDArray[np.intp]
    deltas: npt.NDArray[np.float32]
    splits: npt.NDArray[np.intp]
    thresholds: npt.NDArray[np.float32]
    leaves: npt.NDArray[np.float32]

    @classmethod
    def parse(cls, data: bytes) -> ShapePredictor:
        """Reads shape_predictor_5_face_landmarks.dat; raises DamagedFileError."""
        numbers = _Numbers(Reader(data, "the landmark model").rest_as_integers())
        numbers.expect(1, -_COORDINATES, -1)
        initial = numbers.reals(_COORDINATES)
        numbers.expect(CASCADES)
        tree_size = 1 + 4 * SPLITS + 1 + LEAVES * (2 + 2 * _COORDINATES)
        trees = np.empty((CASCADES, TREES, tree_size), dtype=np.int64)
        for cascade in range(CASCADES):
            numbers.expect(TREES)
            trees[cascade] = numbers.take(TREES * tree_size).reshape(TREES, tree_size)
        splits = trees[..., 1 : 1 + 4 * SPLITS].reshape(CASCADES, TREES, SPLITS, 4)
        leaves = trees[..., 2 + 4 * SPLITS :].reshape(CASCADES, TREES, LEAVES, 2 + 2 * _COORDINATES)
        numbers.expect(CASCADES)
        anchors = [numbers.vector(FEATURES) for _ in range(CASCADES)]
        numbers.expect(CASCADES)
        deltas = [_real(numbers.vector(FEATURES, 4).reshape(FEATURES, 2, 2)) for _ in range(CASCADES)]
        numbers.end()
        predictor = cls(
            initial=initial.reshape(POINTS, 2),
            anchors=np.array(anchors, dtype=np.intp),
            deltas=np.array(deltas),
            splits=np.moveaxis(splits[..., :2], -1, 1).astype(np.intp, order="C"),
            thresholds=_real(splits[..., 2:]),
            leaves=_real(leaves[..., 2:].reshape(CASCADES, TREES, LEAVES, POINTS, 2, 2)),
        )
        counts_fit = (trees[..., 0] == SPLITS).all() and (trees[..., 1 + 4 * SPLITS] == LEAVES).all()
        shapes_fit = (leaves[..., 0] == -_COORDINATES).all() and (leaves[..., 1] == -1).all()
        if not (counts_fit and shapes_fit and predictor.is_sound()):
            raise DamagedFileError("the landmark model: trees are not of the expected shape")
        return predictor

    def is_sound(self) -> bool:
        """Whether every array has its shape and every index its range."""
        shapes = {
            "initial": (POINTS, 2),
            "anchors": (CASCADES, FEATURES),
            "deltas": (CASCADES, FEATURES, 2),
            "splits": (CASCADES, 2, TREES, SPLITS),
            "thresholds": (CASCADES, TREES, SPLITS),
            "leaves": (CASCADES, TREES, LEAVES, POINTS, 2),
        }
        if any(getattr(self, name).shape != shape for name, shape in shapes.items()):
            return False
        in_range = [a.min() >= 0 and a.max() < top for a, top in ((self.anchors, POINTS), (self.splits, FEATURES))]
        return all(in_range) and all(bool(np.isfinite(getattr(self, name)).all()) for name in shapes)

    def save(self, path: Path) -> None:
        """Writes an .npz that `load` reads in milliseconds."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        with path.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, file: Path | BinaryIO) -> ShapePredictor:
        """Raises DamagedFileError; OSError where the file cannot be read."""
        if isinstance(file, Path):
            file = BytesIO(file.read_bytes())
        try:
            with np.load(file, allow_pickle=False) as arrays:
                predictor = cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except Exception as error:  # zipfile, numpy and zlib raise a dozen kinds over damaged bytes
            raise DamagedFileError(f"the landmark model cannot be read: {error}") from error
        if not predictor.is_sound():
            raise DamagedFileError("the landmark model: arrays are not of the expected shape")
        return predictor

    def locate(self, pixels: Pixels, rectangles: Rectangles) -> Landmarks:
        """The landmarks of the faces in `rectangles`, which may reach beyond the picture.

        float32 and the order of every sum are dlib's: a coordinate that rounds to the neighbouring pixel changes
        the trees' answers, and landmarks then differ by pixels.
        """
        count = len(rectangles)
        if count == 0:
            return np.empty((0, POINTS, 2), dtype=np.int64)
        corner = rectangles[:, None, :2].astype(np.float64)
        span = (rectangles[:, 2:] - rectangles[:, :2])[:, None].astype(np.float64)
        intensities = _Intensities(pixels)
        # Trees run along the first axis, so that their answers are summed one after the other.
        face = np.arange(count) * FEATURES
        tree = np.arange(TREES)[:, None]
        answers = np.empty((1 + TREES, count, _COORDINATES), dtype=np.float32)
        shapes = np.repeat(self.initial[None], count, axis=0)
        for cascade in range(CASCADES):
            turn = similarity(self.initial, shapes)[0].astype(np.float32)[..., None]
            x, y = self.deltas[cascade].T
            turned = turn[:, :, 0] * x + turn[:, :, 1] * y
            places = turned.transpose(0, 2, 1) + shapes.take(self.anchors[cascade], axis=1)
            values = intensities.at(_rounded(corner + span * places)).ravel()
            first, second = self.splits[cascade].reshape(2, -1)
            thresholds = self.thresholds[cascade].ravel()
            node = np.zeros((TREES, count), dtype=np.intp)
            for _ in range(_DEPTH):
                split = node + tree * SPLITS
                difference = values.take(first.take(split) + face) - values.take(second.take(split) + face)
                node = 2 * node + 2 - (difference > thresholds.take(split))
            leaves = self.leaves[cascade].reshape(TREES * LEAVES, _COORDINATES)
            answers[0] = shapes.reshape(count, _COORDINATES)
            answers[1:] = leaves.take(node - SPLITS + tree * LEAVES, axis=0)
            shapes = answers.sum(axis=0).reshape(count, POINTS, 2)
        return _rounded(corner + span * shapes)


class _Intensities:
    """Mean of red, green and blue, rounded down; 0 outside the picture."""

    def __init__(self, pixels: Pixels) -> None:
        self._height, self._width = pixels.shape[:2]
        self._pixels = np.ascontiguousarray(pixels).reshape(-1, 3)

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Shape (n, features) for places of shape (n, features, 2)."""
        x, y = places[..., 0], places[..., 1]
        inside = (x >= 0) & (y >= 0) & (x < self._width) & (y < self._height)
        colours = self._pixels.take((y * self._width + x) * inside, axis=0).astype(np.uint16)
        grey = (colours[..., 0] + colours[..., 1] + colours[..., 2]) // 3
        intensities: npt.NDArray[np.float32] = (grey * inside).astype(np.float32)
        return intensities


def _rounded(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.floor(points + 0.5).astype(np.int64)


def _real(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Mantissa and exponent on the last axis."""
    mantissa, exponent = pairs[..., 0].astype(np.float64), pairs[..., 1].clip(-2000, 2000).astype(np.int32)
    with np.errstate(over="ignore"):  # of a damaged file; `is_sound` finds the infinity
        values: npt.NDArray[np.float32] = np.ldexp(mantissa, exponent).astype(np.float32)
    return values


class _Numbers:
    """A cursor over the integers of the file."""

    def __init__(self, values: npt.NDArray[np.int64]) -> None:
        self._values = values
        self._at = 0

    def take(self, count: int) -> npt.NDArray[np.int64]:
        taken = self._values[self._at : self._at + count]
        if len(taken) != count:
            raise DamagedFileError("the landmark model ends too early")
        self._at += count
        return taken

    def expect(self, *wanted: int) -> None:
        found = self.take(len(wanted)).tolist()
        if found != list(wanted):
            raise DamagedFileError(f"the landmark model, number {self._at}: {found} where {list(wanted)} belongs")

    def reals(self, count: int) -> npt.NDArray[np.float32]:
        return _real(self.take(2 * count).reshape(count, 2))

    def vector(self, length: int, numbers_each: int = 1) -> npt.NDArray[np.int64]:
        self.expect(length)
        return self.take(length * numbers_each)

    def end(self) -> None:
        if self._at != len(self._values):
            raise DamagedFileError(f"the landmark model: {len(self._values) - self._at} numbers follow the end")
