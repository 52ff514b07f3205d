"""Who is who: the hub's ids of people and Azure's, by what Azure keeps as userData; nothing of it is kept here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from .api import FaceApi, Remote

OURS: Final = "fras:"
"""Begins the userData of people whom FRAS enrolled; their id follows."""
STRANGER: Final = "unknown/"
"""Begins the id given to anybody else in the group; no person of a school has one with a slash."""


class People:
    """A copy in memory of the group's list. Where two processes enrolled somebody at once there are two of them at
    Azure: both are the person's."""

    def __init__(self, api: FaceApi) -> None:
        self._api = api
        self._known: dict[str, Remote] | None = None
        self._gone: set[str] = set()
        self._turn = asyncio.Lock()

    async def anybody(self, *, anew: bool = False) -> bool:
        """Whether a face of anybody is enrolled; with `anew` as it is now, whatever the cap."""
        people = await (self._read(capped=False) if anew else self._all())
        return any(one.faces for one in people.values())

    async def everybody(self) -> list[str]:
        """The ids of all people, as Azure lists them now, whatever the cap."""
        return sorted({_person(one) for one in (await self._read(capped=False)).values()})

    async def remote(self, person: str, *, anew: bool = False) -> list[Remote]:
        """What Azure holds of the person; with `anew` as it is now, whatever the cap."""
        people = await (self._read(capped=False) if anew else self._all())
        return [one for one in people.values() if _person(one) == person]

    async def named(self, person_ids: Collection[str]) -> dict[str, str]:
        """Whose Azure's ids are. The list is read again for one that is not in it; ids of people who were deleted,
        which Azure names until the group is trained again, are left out."""
        people = await self._all()
        if not set(person_ids) <= people.keys() | self._gone:
            people = await self._read()
            self._gone |= set(person_ids) - people.keys()
        return {one: _person(people[one]) for one in person_ids if one in people}

    async def add(self, person: str) -> Remote:
        """Raises Unsure where Azure may have the person now, or not."""
        async with self._turn:  # a list that is read meanwhile may lack the new one
            made = Remote(await self._api.add_person(OURS + person), OURS + person, ())
            if self._known is not None:
                self._known[made.id] = made
        return made

    def has_face(self, person_id: str, face_id: str) -> None:
        if self._known and person_id in self._known:
            one = self._known[person_id]
            self._known[person_id] = replace(one, faces=(*one.faces, face_id))

    def without(self, person_id: str) -> None:
        if self._known:
            self._known.pop(person_id, None)

    def outdated(self) -> None:
        self._known = None

    async def _all(self) -> dict[str, Remote]:
        return await self._read() if self._known is None else self._known

    async def _read(self, *, capped: bool = True) -> dict[str, Remote]:
        async with self._turn:
            self._known = {one.id: one for one in await self._api.people(capped=capped)}
            return self._known


def _person(remote: Remote) -> str:
    ours = remote.data.startswith(OURS) and len(remote.data) > len(OURS)
    return remote.data.removeprefix(OURS) if ours else STRANGER + remote.id
