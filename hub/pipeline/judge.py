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
    policy_version: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a picture may show, and how close they have to be."""

    gallery: GalleryKeeper
    policy: Policy


class Judge:
    """Decides who is in a picture, in the same way whichever recogniser looks.

    Pictures that are invented are judged in a scope of their own, without which everybody in them is unknown: nobody
    real is found in them, and nobody invented elsewhere.
    """

    def __init__(
        self,
        recogniser: Embedder,
        gallery: GalleryKeeper,
        policy: Policy,
        invented: Scope | None = None,
    ) -> None:
        self._recogniser = recogniser
        self._gallery = gallery
        self.policy = policy
        self.invented = invented

    def become(self, other: Judge) -> None:
        """Decides as `other` from now on; only while nothing is being judged."""
        self._recogniser, self._gallery, self.policy = other._recogniser, other._gallery, other.policy
        self.invented = other.invented

    @property
    def embedder(self) -> Embedder | None:
        """None for a recogniser that keeps its own gallery."""
        return self._recogniser

    @property
    def model(self) -> Model | None:
        """What an embedder's embeddings mean; None without one."""
        return self.embedder.model if self.embedder else None

    @property
    def model_id(self) -> str:
        return self._gallery.model_id

    async def judge(self, pictures: Sequence[Picture], invented: Sequence[bool] = ()) -> list[Judged]:
        """A verdict for each picture, in order; `invented` says which are (none, when it is left out).

        Raises PluginError when the recogniser cannot work now.
        """
        if not pictures:
            return []
        drawn = invented or [False] * len(pictures)
        sights = await self._recogniser.analyse(pictures, mirror=self._recogniser.model.mirror_probes)
        self._refuse_another_model(self._recogniser.model)
        faces = [sight.faces for sight in sights]
        return await self._decide(faces, [sight.too_small for sight in sights], drawn)

    async def judge_faces(self, faces: Sequence[Face], invented: bool = False) -> Judged:
        """The verdict on faces that a camera embedded itself, with this judge's model."""
        return (await self._decide([faces], [0], [invented]))[0]

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

    def _scope(self, invented: bool) -> Scope | None:
        return self.invented if invented else Scope(self._gallery, self.policy)

    async def _decide(
        self, pictures: Sequence[Sequence[Face]], too_small: Sequence[int], invented: Sequence[bool]
    ) -> list[Judged]:
        near: dict[tuple[int, int], list[Candidate]] = {}
        for kind in set(invented):
            keys = [(p, f) for p, faces in enumerate(pictures) if invented[p] is kind for f in range(len(faces))]
            scope = self._scope(kind)
            if keys and scope is not None:
                probes = np.stack([pictures[p][f].embedding for p, f in keys])
                near |= zip(keys, await scope.gallery.search(probes, CANDIDATES), strict=True)
        return [
            self._judged(faces, [near.get((p, f), []) for f in range(len(faces))], small, drawn)
            for p, (faces, small, drawn) in enumerate(zip(pictures, too_small, invented, strict=True))
        ]

    def _judged(
        self,
        faces: Sequence[Face],
        near: Sequence[Sequence[Candidate]],
        too_small: int,
        invented: bool,
    ) -> Judged:
        scope = self._scope(invented)
        policy = scope.policy if scope else self.policy
        decisions = policy.decide(near, [face.quality for face in faces])
        judged = tuple(
            JudgedFace(face.box, face.score, face.quality, decision)
            for face, decision in zip(faces, decisions, strict=True)
        )
        return Judged(judged, too_small, self.model_id, policy.version)
