"""From a face's box to its chip: dlib's five landmarks, then dlib's cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hub.plugin import Pixels

from ..stages import Aligned, Found, Points
from .landmarks import Landmarks, Rectangles, ShapePredictor


class DlibAligner:
    """A stages.Aligner whose chips and landmarks are those of face_recognition's `face_encodings`."""

    def __init__(self, predictor: ShapePredictor) -> None:
        self._predictor = predictor

    def align(self, pixels: Pixels, found: Sequence[Found]) -> Aligned:
        """Chips of shape (n, 150, 150, 3); points are the eyes' centres and the nose base, (3, 2) each."""
        from . import chips

        landmarks = self._predictor.locate(pixels, rectangles(pixels, found))
        return Aligned(chips.extract(pixels, landmarks), tuple(_points(face) for face in landmarks))


def rectangles(pixels: Pixels, found: Sequence[Found]) -> Rectangles:
    """Whole pixels, trimmed to the picture as face_recognition trims (its right and bottom may touch the size)."""
    height, width = pixels.shape[:2]
    edges = [(f.box.x, f.box.y, f.box.x + f.box.w - 1, f.box.y + f.box.h - 1) for f in found]
    whole = np.floor(np.array(edges, dtype=np.float64).reshape(-1, 4) + 0.5).astype(np.int64)
    whole[:, :2] = whole[:, :2].clip(min=0)
    whole[:, 2:] = whole[:, 2:].clip(max=[width, height])
    return whole


def _points(face: Landmarks) -> Points:
    right_outer, right_inner, left_outer, left_inner, nose = face.astype(np.float32)
    return np.stack([(left_outer + left_inner) / 2, (right_outer + right_inner) / 2, nose])
