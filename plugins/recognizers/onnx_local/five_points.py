"""Alignment by five points: the similarity transform that brings them nearest to a template."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from hub.plugin import Pixels

from .stages import Aligned, Chips, Found, Points

Transform = npt.NDArray[np.float64]
"""Shape (2, 3): picture pixels to chip pixels."""


class FivePoints:
    """A `stages.Aligner` for detectors that give points. `template` is (5, 2) in pixels of a `size`×`size` chip."""

    def __init__(self, template: Sequence[Sequence[float]], size: int) -> None:
        self._template = np.asarray(template, np.float64)
        self._size = size

    def align(self, pixels: Pixels, found: Sequence[Found]) -> Aligned:
        """As the protocol says; raises ValueError for a face without points."""
        chips: Chips = np.empty((len(found), self._size, self._size, 3), np.uint8)
        points: list[Points] = []
        for chip, face in zip(chips, found, strict=True):
            if face.points is None:
                raise ValueError("the detector gave no points to align by")
            chip[:] = cut(pixels, similarity(face.points, self._template), self._size)
            points.append(face.points)
        return Aligned(chips, tuple(points))


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Transform:
    """The rotation, uniform scale and shift that bring `source` (n, 2) nearest to `target` (n, 2) by least squares.

    Umeyama (1991); in two dimensions, with points as complex numbers, the optimum without reflection is the
    linear regression of target on source.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    from_, to = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    centred = from_ - from_.mean()
    spread = np.vdot(centred, centred).real
    turn = np.vdot(centred, to) / spread if spread else 1 + 0j
    shift = to.mean() - turn * from_.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def cut(pixels: Pixels, transform: Transform, size: int) -> Pixels:
    """The chip (size, size, 3) that `transform` maps from `pixels`; black outside of the picture.

    Bilinear sampling skips pixels once a face is shrunk to less than half: such a face's region is first brought
    down by area averaging to at most twice the chip's resolution.
    """
    shrink = int(1 / max(np.hypot(transform[0, 0], transform[1, 0]), 1e-6))
    if shrink >= 2:
        left, top, region = _region(pixels, transform, size)
        height, width = region.shape[0] // shrink, region.shape[1] // shrink
        if height and width:
            whole = region[: height * shrink, : width * shrink]
            pixels = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            # Pixel centres: x = left + shrink * (x' + 1/2) - 1/2.
            back = np.array([[shrink, 0, left + (shrink - 1) / 2], [0, shrink, top + (shrink - 1) / 2], [0, 0, 1]])
            transform = transform @ back
    return np.asarray(cv2.warpAffine(pixels, transform, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def _region(pixels: Pixels, transform: Transform, size: int) -> tuple[int, int, Pixels]:
    """Left, top and pixels of the part of the picture that a chip can see."""
    back = cv2.invertAffineTransform(transform)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ back.T
    slack = 2 / np.hypot(transform[0, 0], transform[1, 0])
    left, top = np.maximum(np.floor(corners.min(axis=0) - slack), 0).astype(int)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0) + slack), 0).astype(int)
    return int(left), int(top), pixels[top:bottom, left:right]
