"""From pictures to verdicts: the recogniser says what it sees, the gallery who is near, the policy decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.pipeline.galleries import GalleryKeeper
from hub.plugin import (
    Box,
    Candidate,
    Embedder,
    Face,
    Identifier,
    Model,
    NotReady,
    Picture,
    PluginError,
    Quality,
)
from hub.recognition.policy import Decision, Policy

LONGEST = 3840
"""Pixels on the longer side that a picture needs, 4K UHD: a JPEG of twice that is decoded at a half."""
CANDIDATES = 3
"""How many people are kept beside each face, so that staff can see what was nearly said."""

GREY = Picture(np.full((240, 320, 3), 128, np.uint8), 320, 240)


@dataclass(frozen=True, slots=True)
class JudgedFace:
    box: Box
    detector_score: float
    quality: Quality
    decision: Decision


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one picture; `too_small` faces were seen but not looked at."""

    faces: tuple[JudgedFace, ...]
    too_small: int
    model_id: str


class Judge:
    """Decides who is in a picture, in the same way whichever recogniser looks."""

    def __init__(self, recogniser: Embedder | Identifier, gallery: GalleryKeeper, policy: Policy) -> None:
        self._recogniser = recogniser
        self._gallery = gallery
        self.policy = policy

    def become(self, other: Judge) -> None:
        """Decides as `other` from now on; only while nothing is being judged."""
        self._recogniser, self._gallery, self.policy = other._recogniser, other._gallery, other.policy

    @property
    def model(self) -> Model | None:
        """What an embedder's embeddings mean; None for a recogniser that keeps its own gallery."""
        return self._recogniser.model if isinstance(self._recogniser, Embedder) else None

    @property
    def model_id(self) -> str:
        return self._gallery.model_id

    async def judge(self, pictures: Sequence[Picture]) -> list[Judged]:
        """A verdict for each picture, in order. Raises PluginError when the recogniser cannot work now."""
        if not pictures:
            return []
        if isinstance(self._recogniser, Embedder):
            sights = await self._recogniser.analyse(pictures, mirror=self._recogniser.model.mirror_probes)
            self._refuse_another_model(self._recogniser.model)
            faces = [sight.faces for sight in sights]
            return await self._decide(faces, [sight.too_small for sight in sights])
        return await self._identify(self._recogniser, pictures)

    async def judge_faces(self, faces: Sequence[Face]) -> Judged:
        """The verdict on faces that a camera embedded itself, with this judge's model."""
        return (await self._decide([faces], [0]))[0]

    async def able(self) -> bool:
        """Whether the recogniser works at all, tried on a grey picture."""
        try:
            await self.judge([GREY])
        except PluginError:
            return False
        return True

    def foreign(self, model_id: str, faces: Sequence[Face]) -> str:
        """Why faces embedded elsewhere, by `model_id`, cannot be judged here; empty when they can."""
        if model_id != self.model_id:
            return f"its faces were embedded by model {model_id}, and this hub uses {self.model_id}"
        if isinstance(self._recogniser, Embedder):
            dimension = self._recogniser.model.dimension
            if any(face.embedding.shape != (dimension,) for face in faces):
                return f"its embeddings are not the {dimension} numbers that {model_id} gives"
        return ""

    def _refuse_another_model(self, model: Model) -> None:
        """Embeddings of different models cannot be compared: the gallery holds templates of one."""
        if model.id != self.model_id:
            raise NotReady(
                f"the recogniser came back with model {model.id} instead of {self.model_id}",
                hint="start fras run again, and enrol everybody for it",
            )

    async def _decide(self, pictures: Sequence[Sequence[Face]], too_small: Sequence[int]) -> list[Judged]:
        probes = [face.embedding for faces in pictures for face in faces]
        found = await self._gallery.search(np.stack(probes), CANDIDATES) if probes else []
        remaining = iter(found)
        verdicts = []
        for faces, small in zip(pictures, too_small, strict=True):
            near = [next(remaining) for _ in faces]
            decisions = self.policy.decide(near, [face.quality for face in faces])
            judged = tuple(
                JudgedFace(face.box, face.score, face.quality, decision)
                for face, decision in zip(faces, decisions, strict=True)
            )
            verdicts.append(Judged(judged, small, self.model_id))
        return verdicts

    async def _identify(self, identifier: Identifier, pictures: Sequence[Picture]) -> list[Judged]:
        found = await identifier.identify(pictures)
        consenting = await self._gallery.consenting()
        verdicts = []
        for faces in found:
            near: list[list[Candidate]] = [
                [candidate for candidate in face.candidates if candidate.person in consenting][:CANDIDATES]
                for face in faces
            ]
            decisions = self.policy.decide(near, [face.quality for face in faces])
            judged = tuple(
                JudgedFace(face.box, face.score, face.quality, decision)
                for face, decision in zip(faces, decisions, strict=True)
            )
            verdicts.append(Judged(judged, 0, self.model_id))
        return verdicts
