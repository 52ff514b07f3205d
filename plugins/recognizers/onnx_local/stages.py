"""The three stages of a model pack, as the engine sees them. All are synchronous and run in its executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hub.plugin import Box, Picture, Pixels

Points = npt.NDArray[np.float32]
"""Shape (5, 2): x, y in original pixels: picture-left eye, picture-right eye, nose, left and right mouth corner."""

Chips = npt.NDArray[np.uint8]
"""Shape (n, height, width, 3), RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face in original pixels, with the detector's score and, where the detector gives them, five points."""

    box: Box
    score: float
    points: Points | None = None


class Detector(Protocol):
    smallest: int
    """Side in pixels of the smallest face the network finds when the picture is not scaled."""

    def detect(self, pixels: Pixels) -> list[Found]:
        """Faces in `pixels`, in its own pixels, best score first, after non-maximum suppression."""
        ...


class Aligner(Protocol):
    def chips(self, pixels: Pixels, found: Sequence[Found]) -> Chips:
        """One aligned chip for each face, cut from `pixels`, to whose pixels `found` refers."""
        ...


class FaceNet(Protocol):
    dimension: int

    def embed(self, chips: Chips) -> npt.NDArray[np.float32]:
        """Shape (n, dimension)."""
        ...
