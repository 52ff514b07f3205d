"""The three stages of a model pack, as the engine sees them. All are synchronous and run in its executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hub.plugin import Box, Pixels

Points = npt.NDArray[np.float32]
"""Shape (5, 2): x, y in pixels: picture-left eye, picture-right eye, nose, picture-left and -right mouth corner.

Shape (3, 2), the eyes' centres and the nose, where the landmark model knows no mouth.
"""

Chips = npt.NDArray[np.uint8]
"""Shape (n, height, width, 3), RGB."""

Tensor = npt.NDArray[np.float32]


class Network(Protocol):
    """One neural network, ready to run: an onnxruntime session in production, anything callable in tests."""

    def __call__(self, batch: npt.NDArray[Any]) -> list[Tensor]:
        """The outputs in the graph's order, for a batch of the shape and type that the graph's input has.

        Called from one thread at a time.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face in the pixels it was found in, with the detector's score and, where it gives them, five points."""

    box: Box
    score: float
    points: Points | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Chips, and for each the points (in the picture's pixels) it was aligned by."""

    chips: Chips
    points: tuple[Points, ...]


class Detector(Protocol):
    smallest: int
    """Side in pixels of the smallest face the network finds when the picture is not scaled."""

    def detect(self, pixels: Pixels, scale: float = 1.0) -> list[Found]:
        """Faces in `pixels`, in its own pixels, best score first, after non-maximum suppression.

        Looked for in a copy scaled by `scale`. The detector scales for itself because where the pixels of an
        enlarged picture lie decides which faces it finds: enlarged dlib's way, MMOD finds dlib's faces; enlarged
        by cv2.resize, it puts more than a quarter of the boxes elsewhere (IoU < 0.7).
        """
        ...


class Aligner(Protocol):
    def align(self, pixels: Pixels, found: Sequence[Found]) -> Aligned:
        """One aligned chip for each face, cut from `pixels`, to whose pixels `found` refers.

        Boxes may reach beyond the picture. With no faces, chips of shape (0, height, width, 3).
        Safe to call from several threads.
        """
        ...


class FaceNet(Protocol):
    dimension: int

    def embed(self, chips: Chips) -> Tensor:
        """Shape (n, dimension), not normalised."""
        ...
