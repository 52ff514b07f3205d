"""From pictures to faces with embeddings: scaling, detection, alignment, quality and batches. Synchronous."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from hub.plugin import Box, Face, Picture, Quality, Sight

from .quality import quality
from .scaling import moved
from .stages import Aligner, Chips, Detector, FaceNet, Found, Tensor

BATCH: Final = 16
"""The most chips that the embedder gets at once: more gain nothing on two cores (PERFORMANCE, 5)."""

ROUNDING: Final = 1.0
"""Pixels by which a box may fall short of the smallest face: detectors put its edges at whole pixels."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """`min_face`: the smallest face wanted, in original pixels. `largest`: the most pixels to search, after scaling."""

    min_face: int
    largest: int

    def factor(self, width: int, height: int, smallest: int) -> float:
        """Searched pixels per original pixel, for a detector that finds faces from `smallest` pixels.

        A face of `min_face` comes out at exactly `smallest`: pictures are enlarged when it is the larger one, and
        otherwise shrunk, which is faster and finds the same. Pictures that would exceed `largest` are shrunk to it;
        the smallest face that can be found in them grows accordingly.
        """
        return min(smallest / self.min_face, sqrt(self.largest / (width * height)))


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Faces of one picture before embedding, largest first; `chips` and `qualities` belong to `found`, `too_small`
    are the others.

    Boxes are in original pixels.
    """

    found: tuple[Found, ...]
    chips: Chips
    qualities: tuple[Quality, ...]
    too_small: tuple[Box, ...]


class Vision:
    """A model pack at work. Not for use by several threads at once."""

    def __init__(self, detector: Detector, aligner: Aligner, net: FaceNet, scaling: Scaling) -> None:
        self._detector = detector
        self._aligner = aligner
        self._net = net
        self._scaling = scaling

    def look(self, picture: Picture) -> Looked:
        """Finds, aligns and judges the faces of `picture`.

        A picture decoded at less than its size is not enlarged again: who had it so needs no faces that small.
        """
        factor = self._scaling.factor(picture.width, picture.height, self._detector.smallest) / picture.scale
        faces = self._detector.detect(picture.pixels, factor if picture.scale == 1 else min(factor, 1.0))
        least = self._scaling.min_face * picture.scale - ROUNDING
        wide_enough = [face for face in faces if min(face.box.w, face.box.h) >= least]
        others = [face for face in faces if min(face.box.w, face.box.h) < least]
        wide_enough.sort(key=lambda face: -face.box.w * face.box.h)
        aligned = self._aligner.align(picture.pixels, wide_enough)
        to_original = 1 / picture.scale
        found = tuple(moved(face, to_original, to_original) for face in wide_enough)
        qualities = tuple(
            quality(face.box, chip, points)
            for face, chip, points in zip(found, aligned.chips, aligned.points, strict=True)
        )
        too_small = tuple(moved(face, to_original, to_original).box for face in others)
        return Looked(found, aligned.chips, qualities, too_small)

    def embed(self, looked: Sequence[Looked], mirror: Sequence[bool]) -> list[Sight]:
        """A Sight for each picture, the chips of all of them embedded in common batches.

        Where `mirror` is set, an embedding is the mean over the chip and its mirror image.
        """
        chips = [one.chips for one in looked] + [
            one.chips[:, :, ::-1] for one, twice in zip(looked, mirror, strict=True) if twice
        ]
        rows = iter(self._embeddings(chips))
        plain = [[next(rows) for _ in one.chips] for one in looked]
        sights = []
        for one, twice, own in zip(looked, mirror, plain, strict=True):
            embeddings = [(row + next(rows)) / 2 for row in own] if twice else own
            faces = (
                Face(box=face.box, score=face.score, quality=quality, embedding=np.array(row, np.float32))
                for face, quality, row in zip(one.found, one.qualities, embeddings, strict=True)
            )
            sights.append(Sight(tuple(faces), one.too_small))
        return sights

    def _embeddings(self, groups: Sequence[Chips]) -> Iterator[Tensor]:
        chips = np.concatenate(groups) if groups else np.empty((0, 1, 1, 3), np.uint8)
        for start in range(0, len(chips), BATCH):
            yield from self._net.embed(chips[start : start + BATCH])
