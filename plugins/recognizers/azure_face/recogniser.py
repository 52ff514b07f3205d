"""The identifier that the hub works with: crops in, candidates out; people enrolled, forgotten and listed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from hub.plugin import Candidate, Model, NeedsHuman, NotReady, Picture, PluginContext

from .api import MOST_FACE_IDS, RECOGNITION, FaceApi, Found
from .errors import Declined, Unsure
from .people import People
from .sheets import GREY, sheet_of
from .training import Training

T = TypeVar("T")

MODEL: Final = Model(
    id=f"azure-{RECOGNITION}",
    dimension=0,
    metric="service",
    threshold=0.6,
    single_frame=0.7,
    margin=0.1,
    min_face=36,
    licence="a service of Microsoft",
)
"""Azure's confidences are of no public scale: these are cautious starting points, not measured on a school."""

GOOD_ENOUGH: Final = ("medium", "high")
"""Qualities to identify; to enrol it takes "high" (the vendor's advice)."""
GONE: Final = ("PersonNotFound", "LargePersonGroupNotFound")
"""Deleted by somebody else, in the portal perhaps."""
MOST_FACES: Final = 248
"""Of one person."""
PORTRAIT: Final = 1600
"""Longest side of a portrait as it is sent, in pixels."""


class AzureFace:
    """An Identifier. Nothing is asked of Azure until something has to be."""

    def __init__(self, api: FaceApi, people: People, training: Training, context: PluginContext, together: int) -> None:
        self._api = api
        self._people = people
        self._training = training
        self._context = context
        self._together = together
        self._prepared = False
        self._preparing = asyncio.Lock()
        self._changing = asyncio.Lock()

    @property
    def model(self) -> Model:
        return MODEL

    async def prepare(self, *, attempts: int = 4) -> None:
        """Looks, once, that the resource may identify and that the group is there; makes it if it is not."""
        async with self._preparing:
            if self._prepared:
                return
            await check_access(self._api, self._context, attempts)
            model = await self._api.model(attempts=attempts)
            if model is None:
                await self._api.make()
            else:
                refuse_other_models(model)
            self._prepared = True

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        if not crops:
            return []
        await self.prepare()
        changes = await self._training.due()
        if changes:  # another process may have made them
            self._people.outdated()
        if not await self._people.anybody():
            await self._training.forget(changes)
            return [()] * len(crops)
        await self._training.settle()
        faces = await self._faces(crops)
        ids = [face.face_id for face in faces if face is not None and face.quality in GOOD_ENOUGH]
        calls = [self._near(ids[at : at + MOST_FACE_IDS]) for at in range(0, len(ids), MOST_FACE_IDS)]
        near = {face_id: found for part in await _all(calls) for face_id, found in part.items()}
        named = await self._people.named({person for found in near.values() for person, _ in found})
        return [_candidates(near.get(face.face_id, []) if face else [], named) for face in faces]

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        await self.prepare()
        async with self._changing, self._training.change() as change:
            try:
                refusals, added = await self._enrol(person, crops)
            except (Unsure, Declined) as problem:
                if isinstance(problem, Declined) and problem.code not in GONE:
                    raise
                # What was added is found at the second look, and not added again; what is gone is made again.
                self._look_again()
                await self.prepare()
                refusals, added = await self._enrol(person, crops)
                added = True
            change.made = added
        return refusals

    async def forget(self, person: str) -> None:
        async with self._changing:
            remote = await self._people.remote(person, anew=True)
            if not remote:
                return
            async with self._training.change():
                for one in remote:
                    await self._training.outside(partial(self._api.delete_person, one.id))
                    self._people.without(one.id)
                    if await self._api.person(one.id, capped=False) is not None:
                        raise NotReady("a person deleted at Azure Face is still there", hint="the hub tries again")

    async def people(self) -> list[str]:
        return await self._people.everybody()

    def _look_again(self) -> None:
        self._people.outdated()
        self._prepared = False

    async def _faces(self, crops: Sequence[Picture]) -> list[Found | None]:
        parts = [crops[at : at + self._together] for at in range(0, len(crops), self._together)]
        return [face for part in await _all([self._detect(part) for part in parts]) for face in part]

    async def _detect(self, crops: Sequence[Picture]) -> list[Found | None]:
        sheet = await self._context.run_blocking(sheet_of, crops)
        return sheet.meant(await self._api.detect(sheet.jpeg))

    async def _near(self, face_ids: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
        identify = partial(self._api.identify, face_ids)
        try:
            return await self._training.outside(identify)
        except Declined as refused:
            if refused.code in GONE:
                self._look_again()
            if refused.code != "LargePersonGroupNotTrained":
                raise
        await self._training.settle(now=True)
        return await self._training.outside(identify)

    async def _enrol(self, person: str, crops: Sequence[Picture]) -> tuple[list[str], bool]:
        """Why each crop does not serve, and whether one was added now."""
        remote = await self._people.remote(person)
        if not remote:
            remote = [await self._training.outside(partial(self._people.add, person))]
        known = {await self._api.face_data(one.id, face) for one in remote for face in one.faces}
        before = count = len(remote[0].faces)
        refusals = []
        for crop in crops:
            refusal, added = await self._add(remote[0].id, crop, known, room=count < MOST_FACES)
            refusals.append(refusal)
            count += added
        return refusals, count > before

    async def _add(self, person_id: str, crop: Picture, known: set[str], room: bool) -> tuple[str, bool]:
        """Why the crop does not serve, or that it was added now."""
        digest = await self._context.run_blocking(_digest, crop)
        if digest in known:
            return "", False
        if not room:
            return f"Azure keeps {MOST_FACES} pictures of a person, and has them", False
        sheet = await self._context.run_blocking(sheet_of, [crop], PORTRAIT)
        (face,) = sheet.meant(await self._api.detect(sheet.jpeg))
        if face is None:
            return "Azure finds no face in it", False
        if face.quality != "high":
            return f"Azure calls its quality {face.quality}, and enrolling takes high", False
        try:
            add = partial(self._api.add_face, person_id, sheet.jpeg, face.box, digest)
            face_id = await self._training.outside(add)
        except Declined as refused:
            if refused.code not in ("InvalidImage", "InvalidImageSize"):
                raise
            return "Azure finds no face in it", False
        known.add(digest)
        self._people.has_face(person_id, face_id)
        return "", True


async def check_access(api: FaceApi, context: PluginContext, attempts: int) -> None:
    """Raises NeedsHuman where the resource may not identify. Azure says so only when asked for a face's id."""
    import numpy as np

    grey = Picture(np.full((64, 64, 3), GREY, np.uint8), 64, 64)
    sheet = await context.run_blocking(sheet_of, [grey])
    await api.detect(sheet.jpeg, attempts=attempts)


def refuse_other_models(model: str) -> None:
    if model != RECOGNITION:
        raise NeedsHuman(
            f"the group in recognizer->group was made for {model}, and FRAS uses {RECOGNITION}",
            hint="choose another name for the group, and enrol again",
        )


def _candidates(near: Sequence[tuple[str, float]], named: dict[str, str]) -> tuple[Candidate, ...]:
    best: dict[str, float] = {}
    for person_id, confidence in near:
        if person := named.get(person_id):
            best[person] = max(confidence, best.get(person, 0.0))
    return tuple(Candidate(person, score) for person, score in sorted(best.items(), key=lambda one: (-one[1], one[0])))


def _digest(crop: Picture) -> str:
    """Names a picture by its pixels, so that it is known again at Azure."""
    return hashlib.sha256(repr(crop.pixels.shape).encode() + crop.pixels.tobytes()).hexdigest()[:32]


async def _all(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results, in order; the first failure stops the others and is raised."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
