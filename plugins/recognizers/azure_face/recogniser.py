"""The identifier that the hub works with: crops in, candidates out; people enrolled, forgotten and listed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from hub.plugin import Candidate, Model, NotReady, Picture, PluginContext

from .api import MOST_FACE_IDS, RECOGNITION, FaceApi, Found
from .erasing import Erasing
from .errors import CannotIdentify, Declined, Unsure
from .people import People
from .sheets import GREY, sheet_of
from .training import Change, Training

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
    """An Identifier. Nothing is asked of Azure until something has to be. Use `close` in the end."""

    def __init__(self, api: FaceApi, people: People, training: Training, context: PluginContext, together: int) -> None:
        self._api = api
        self._people = people
        self._training = training
        self._context = context
        self._together = together
        self._prepared = False
        self._other_model: CannotIdentify | None = None
        self._preparing = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._listed: set[str] = set()
        """The changes that waited when the list of people was last given up for them."""
        self.erasing = Erasing(api, people, training, self._changing, context)

    @property
    def model(self) -> Model:
        return MODEL

    async def prepare(self, *, attempts: int = 4) -> None:
        """Looks, once, that the resource may identify and that the group is there; makes it if it is not.

        Raises CannotIdentify, among other PluginErrors.
        """
        async with self._preparing:
            if self._prepared:
                return
            if self._other_model is not None:  # a group keeps its model: asking again would only cost
                raise CannotIdentify(self._other_model.message, hint=self._other_model.hint)
            await check_access(self._api, self._context, attempts)
            model = await self._api.model(attempts=attempts)
            if model is None:
                await self._api.make()
            else:
                try:
                    refuse_other_models(model)
                except CannotIdentify as problem:
                    self._other_model = problem
                    raise
            self._prepared = True
            self._context.progress("")

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        if not crops:
            return []
        await self.prepare()
        changes = await self._training.due()
        if set(changes) - self._listed:  # another process may have made them
            self._people.outdated()
        self._listed = set(changes)
        if not await self._people.anybody():
            await self._training.unneeded(changes)
            return [()] * len(crops)
        until = self._training.until()
        await self._training.settle(until=until)
        faces = await self._faces(crops)
        ids = [face.face_id for face in faces if face is not None and face.quality in GOOD_ENOUGH]
        calls = [self._near(ids[at : at + MOST_FACE_IDS], until) for at in range(0, len(ids), MOST_FACE_IDS)]
        near = {face_id: found for part in await _all(calls) for face_id, found in part.items()}
        named = await self._people.named({person for found in near.values() for person, _ in found})
        return [_candidates(near.get(face.face_id, []) if face else [], named) for face in faces]

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        await self.prepare()
        async with self._changing, self._training.change() as change:
            try:
                return await self._enrol(person, crops, change)
            except (Unsure, Declined) as problem:
                if isinstance(problem, Declined) and problem.code not in GONE:
                    raise
                # What was added is found at the second look, and not added again; what is gone is made again.
                self._look_again()
                await self.prepare()
                return await self._enrol(person, crops, change)

    async def forget(self, person: str) -> None:
        """Also where nobody may be identified. What the last training took from the faces is seen to afterwards."""
        try:
            async with self._changing:
                if remote := await self._people.remote(person, anew=True):
                    async with self._training.change(erases=True) as change:
                        change.made = True
                        for one in remote:
                            await self._delete(one.id)
        finally:
            self.erasing.begin()

    async def _delete(self, person_id: str) -> None:
        await self._training.outside(partial(self._api.delete_person, person_id), capped=False)
        self._people.without(person_id)
        if await self._api.person(person_id, capped=False) is not None:
            raise NotReady("a person deleted at Azure Face is still there", hint="the hub tries again")

    async def people(self) -> list[str]:
        self.erasing.begin()  # what another process may have left
        return await self._people.everybody()

    def _look_again(self) -> None:
        self._people.outdated()
        self._prepared = False
        self._other_model = None

    async def _faces(self, crops: Sequence[Picture]) -> list[Found | None]:
        parts = [crops[at : at + self._together] for at in range(0, len(crops), self._together)]
        return [face for part in await _all([self._detect(part) for part in parts]) for face in part]

    async def _detect(self, crops: Sequence[Picture]) -> list[Found | None]:
        sheet = await self._context.run_blocking(sheet_of, crops)
        return sheet.meant(await self._api.detect(sheet.jpeg))

    async def _near(self, face_ids: Sequence[str], until: float) -> dict[str, list[tuple[str, float]]]:
        identify = partial(self._api.identify, face_ids)
        try:
            return await self._training.outside(identify, until=until)
        except Declined as refused:
            if refused.code in GONE:
                self._look_again()
            if refused.code != "LargePersonGroupNotTrained":
                raise
        await self._training.settle(now=True, until=until)
        return await self._training.outside(identify, until=until)

    async def _enrol(self, person: str, crops: Sequence[Picture], change: Change) -> list[str]:
        """Why each crop does not serve."""
        remote = await self._people.remote(person)
        if not remote:
            remote = [await self._training.outside(partial(self._people.add, person))]
        known = {await self._api.face_data(one.id, face) for one in remote for face in one.faces}
        count = len(remote[0].faces)
        refusals = []
        for crop in crops:
            refusal, added = await self._add(remote[0].id, crop, known, change, room=count < MOST_FACES)
            refusals.append(refusal)
            count += added
        return refusals

    async def _add(
        self, person_id: str, crop: Picture, known: set[str], change: Change, *, room: bool
    ) -> tuple[str, bool]:
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
        except (Unsure, asyncio.CancelledError):
            change.made = True
            raise
        change.made = True
        known.add(digest)
        self._people.has_face(person_id, face_id)
        return "", True


async def check_access(api: FaceApi, context: PluginContext, attempts: int) -> None:
    """Raises CannotIdentify where the resource may not. Azure says so only when asked for a face's id."""
    import numpy as np

    grey = Picture(np.full((64, 64, 3), GREY, np.uint8), 64, 64)
    sheet = await context.run_blocking(sheet_of, [grey])
    await api.detect(sheet.jpeg, attempts=attempts)


def refuse_other_models(model: str) -> None:
    if model != RECOGNITION:
        raise CannotIdentify(
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
