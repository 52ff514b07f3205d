"""A recogniser of either kind with its gallery and its policy: what it sees, and whom it takes each face for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hub.pipeline.alone import Meant, alone
from hub.pipeline.galleries import GalleryKeeper
from hub.plugin import Box, Candidate, Embedder, Face, Identifier, NotReady, Picture, PluginError
from hub.recognition.pairing import pairs
from hub.recognition.policy import Decision, Policy, gated
from hub.runtime.awaited import Awaited

CANDIDATES = 3
"""How many people are kept beside each face, so that staff can see what was nearly said."""
CROP_MARGIN = 0.5
"""What is left around a face that a service is asked about, as a share of its box: `Identifier` asks for a half."""
CROP_SIDE = 400
"""Pixels on the longer side of a crop that a service makes use of, or fewer."""

GREY = Picture(np.full((240, 320, 3), 128, np.uint8), 320, 240)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What an embedder saw in one picture, and which one; `too_small` faces were seen but not looked at.

    `beside` are boxes of faces that are not meant now.
    """

    faces: tuple[Face, ...]
    too_small: tuple[Box, ...]
    model_id: str
    beside: tuple[Box, ...] = ()

    def only(self, indices: Sequence[int]) -> Seen:
        others = tuple(face.box for index, face in enumerate(self.faces) if index not in indices)
        return Seen(tuple(self.faces[index] for index in indices), self.too_small, self.model_id, self.beside + others)

    def around(self, index: int) -> tuple[Box, ...]:
        """Where all the other faces are that were found in the picture, whether anybody looked at them or not."""
        return self.only([index]).beside + self.too_small


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a picture may show, and how close they have to be."""

    gallery: GalleryKeeper
    policy: Policy


class Member(Protocol):
    """A recogniser in use."""

    @property
    def model_id(self) -> str: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def finder(self) -> EmbedderMember:
        """Who finds the faces for it: itself, if it can. Raises PluginError."""
        ...

    async def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        """The faces in each picture. Raises PluginError."""
        ...

    async def decide(self, pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[list[Decision | None]]:
        """Whom it takes each of the faces for, whoever saw them; None for one that it does not see itself.

        Raises PluginError.
        """
        ...

    async def able(self) -> bool:
        """Whether it works at all, tried on something grey."""
        ...


class EmbedderMember:
    """Searches the hub's own gallery."""

    def __init__(self, embedder: Embedder, gallery: GalleryKeeper, policy: Policy) -> None:
        self.embedder = embedder
        self.policy = policy
        self.gallery = gallery

    @property
    def model_id(self) -> str:
        return self.gallery.model_id

    @property
    def finder(self) -> EmbedderMember:
        return self

    @property
    def scope(self) -> Scope:
        return Scope(self.gallery, self.policy)

    async def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        sights = await self.embedder.analyse(pictures, mirror=self.embedder.model.mirror_probes)
        self._refuse_another_model()
        return [Seen(sight.faces, sight.too_small, self.model_id) for sight in sights]

    async def decide(self, pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[list[Decision | None]]:
        mine = list(seen)
        foreign = [index for index, one in enumerate(seen) if one.model_id != self.model_id and one.faces]
        if foreign:
            again = await self.see([pictures[index] for index in foreign])
            for index, sight in zip(foreign, again, strict=True):
                mine[index] = sight
        return [
            _paired(one, own, decisions)
            for one, own, decisions in zip(seen, mine, await self._decide(mine), strict=True)
        ]

    async def able(self) -> bool:
        try:
            await self.see([GREY])
        except PluginError:
            return False
        return True

    async def _decide(self, seen: Sequence[Seen]) -> list[list[Decision]]:
        return await decide_among(self.scope, self.policy, [one.faces for one in seen])

    def _refuse_another_model(self) -> None:
        """Embeddings of different models cannot be compared: the gallery holds templates of one."""
        now = self.embedder.model.id
        if now != self.model_id:
            raise NotReady(
                f"the recogniser came back with model {now} instead of {self.model_id}",
                hint="start fras run again, and enrol everybody for it",
            )


class IdentifierMember:
    """Asks a service that keeps a gallery of its own: about crops of faces that `finder` found here."""

    def __init__(self, identifier: Identifier, finder: EmbedderMember, gallery: GalleryKeeper, policy: Policy) -> None:
        """`gallery` says whose consent stands."""
        self._identifier = identifier
        self.finder = finder
        self.gallery = gallery
        self.policy = policy

    @property
    def model_id(self) -> str:
        return self._identifier.model.id

    async def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        return await self.finder.see(pictures)

    async def decide(self, pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[list[Decision | None]]:
        """Faces that do not pass the gates stay in the building, and no crop shows another face that was found."""
        keys = [
            (p, f)
            for p, one in enumerate(seen)
            for f, face in enumerate(one.faces)
            if gated(face.quality, self.policy.gates) is None
        ]
        near: dict[tuple[int, int], list[Candidate]] = {}
        if keys:
            meant = [Meant(pictures[p], seen[p].faces[f].box, seen[p].around(f)) for p, f in keys]
            crops = await alone(self.finder.embedder, meant, CROP_MARGIN, CROP_SIDE)
            found = await self._identifier.identify(crops)
            consenting = await self.gallery.consenting()  # asked last: it may have been withdrawn meanwhile
            for key, candidates in zip(keys, found, strict=True):
                near[key] = [candidate for candidate in candidates if candidate.person in consenting]
        return [
            [
                *self.policy.decide(
                    [near.get((p, f), []) for f in range(len(one.faces))], [face.quality for face in one.faces]
                )
            ]
            for p, one in enumerate(seen)
        ]

    async def able(self) -> bool:
        if not await self.finder.able():
            return False
        try:
            await self._identifier.identify([GREY])
        except PluginError:
            return False
        return True


class AbsentMember:
    """One that is not open: its pictures wait, and a chain that has got to it goes on without."""

    def __init__(self, name: str, awaited: Awaited) -> None:
        self.awaited = awaited
        self.model_id = name
        """Its id, for want of the model's."""

    @property
    def policy(self) -> Policy:
        raise self.why

    @property
    def finder(self) -> EmbedderMember:
        raise self.why

    @property
    def why(self) -> PluginError:
        """To be raised; without what earlier raising has left in it, which would grow with each."""
        return self.awaited.why.with_traceback(None)

    async def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        raise self.why

    async def decide(self, pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[list[Decision | None]]:
        raise self.why

    async def able(self) -> bool:
        return False


async def decide_among(scope: Scope | None, policy: Policy, pictures: Sequence[Sequence[Face]]) -> list[list[Decision]]:
    """Whom embedded faces are taken for; without a scope everybody is unknown, by `policy`."""
    keys = [(p, f) for p, faces in enumerate(pictures) for f in range(len(faces))]
    near: dict[tuple[int, int], list[Candidate]] = {}
    if keys and scope is not None:
        probes = np.stack([pictures[p][f].embedding for p, f in keys])
        near = dict(zip(keys, await scope.gallery.search(probes, CANDIDATES), strict=True))
    rule = scope.policy if scope else policy
    return [
        rule.decide([near.get((p, f), []) for f in range(len(faces))], [face.quality for face in faces])
        for p, faces in enumerate(pictures)
    ]


def _paired(seen: Seen, own: Seen, decisions: Sequence[Decision]) -> list[Decision | None]:
    """The decisions on `own` faces, in the order of those that somebody else saw."""
    if own is seen:
        return [*decisions]
    same = pairs([face.box for face in seen.faces], [face.box for face in own.faces])
    return [None if index is None else decisions[index] for index in same]
