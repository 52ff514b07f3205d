"""Which portraits serve to recognise somebody, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.plugin import Face, Sight

from .gallery import NumpyGallery
from .policy import Gates, Thresholds, Unknown, gated
from .similarity import scores
from .templates import template

BYSTANDER = 0.5
"""A face up to this share of the largest one's size is somebody in the background of a portrait."""


class Refusal(StrEnum):
    """Why a portrait does not serve, in words for staff."""

    UNREADABLE = "the file is not an image that can be read"
    NO_FACE = "there is no face in it"
    SEVERAL_FACES = "there are several faces in it"
    TOO_SMALL = "the face is too small"
    BLURRED = "the face is blurred"
    TURNED_AWAY = "the face is turned away"
    DISAGREES = "it does not look like the person's other images"
    MATCHES_OTHER = "it looks like somebody else"


GATED = {
    Unknown.TOO_SMALL: Refusal.TOO_SMALL,
    Unknown.BLURRED: Refusal.BLURRED,
    Unknown.TURNED_AWAY: Refusal.TURNED_AWAY,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a portrait, if anything; `other` is whom it looks like instead."""

    refusal: Refusal | None = None
    other: str | None = None

    @property
    def text(self) -> str:
        """Empty when the portrait serves."""
        said = str(self.refusal or "")
        return f"{said}: {self.other}" if self.other else said


def portrayed(sight: Sight, gates: Gates) -> Face | Refusal:
    """The face that a portrait shows, or why it serves nobody."""
    if not sight.faces:
        return Refusal.TOO_SMALL if sight.too_small else Refusal.NO_FACE
    face, *others = sorted(sight.faces, key=lambda face: -face.quality.size)
    if any(other.quality.size > BYSTANDER * face.quality.size for other in others):
        return Refusal.SEVERAL_FACES
    poor = gated(face.quality, gates)
    return GATED[poor] if poor else face


def judge(embeddings: npt.NDArray[Any], person: str, gallery: NumpyGallery, thresholds: Thresholds) -> list[Verdict]:
    """A verdict for each of the person's `embeddings` (n, dimension), which are all there are of the person.

    A portrait looks like somebody else when it would be recognised as that person and is no closer to the mean
    of the person's own other images; it disagrees when `template` drops it. The person's own template in
    `gallery` is ignored. The order of the embeddings makes no difference.
    """
    vectors = np.asarray(embeddings, np.float32)
    verdicts = [Verdict()] * len(vectors)
    if not len(vectors):
        return verdicts
    kept = template(vectors, gallery.metric, thresholds.threshold)
    others = [row for row, other in enumerate(gallery.ids) if other != person]
    rivals = scores(vectors, gallery.matrix[others], gallery.metric) if others else None
    for index in range(len(vectors)):
        if rivals is not None:
            best = int(np.argmax(rivals[index]))
            own = [other for other in kept.used if other != index]
            closest = float(rivals[index][best])
            if closest >= thresholds.threshold and closest >= _own(vectors, index, own, gallery.metric, thresholds):
                verdicts[index] = Verdict(Refusal.MATCHES_OTHER, gallery.ids[others[best]])
                continue
        if index in kept.outliers:
            verdicts[index] = Verdict(Refusal.DISAGREES)
    return verdicts


def _own(vectors: npt.NDArray[np.float32], index: int, own: list[int], metric: str, thresholds: Thresholds) -> float:
    """The image's score to the person's other images; without any, nothing speaks for the person."""
    if not own:
        return -np.inf
    mean = template(vectors[own], metric, thresholds.threshold).vector
    return float(scores(vectors[index : index + 1], mean[None], metric)[0, 0])
