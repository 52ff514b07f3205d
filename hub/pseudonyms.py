"""A service that recognises people without ever hearing who they are: it knows each by a random pseudonym."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hub.db import remote
from hub.db.engine import Database
from hub.plugin import Candidate, Clock, Identifier, Model, NotReady, Picture

STRANGER: Final = "stranger/"
"""Begins the id here of whoever a gallery calls by a name that is nobody's pseudonym; no person's id has a slash."""


class Pseudonymous:
    """An Identifier with the ids of this school on one side and pseudonyms of its `gallery` on the other."""

    def __init__(self, service: Identifier, gallery: str, database: Database, clock: Clock) -> None:
        self._service = service
        self._gallery = gallery
        self._database = database
        self._clock = clock

    @property
    def model(self) -> Model:
        return self._service.model

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        found = await self._service.identify(crops)
        names = {candidate.person for candidates in found for candidate in candidates}
        if not names:
            return found
        async with self._database.read() as connection:
            persons = await remote.called(connection, self._gallery, names)
        return [
            [replace(one, person=persons[one.person]) for one in candidates if one.person in persons]
            for candidates in found
        ]

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        """Of somebody whose sending has begun (`remote.begin`)."""
        async with self._database.read() as connection:
            pseudonym = await remote.pseudonym(connection, self._gallery, person)
        if pseudonym is None:
            raise NotReady("somebody is being deleted there at this moment", hint="their portraits are sent later")
        return await self._service.enrol(pseudonym, crops)

    async def forget(self, person: str) -> None:
        """Deletes the person there, and notes that it is done. Raises PluginError; then it is still to be done."""
        if person.startswith(STRANGER):
            await self._service.forget(person.removeprefix(STRANGER))
            return
        async with self._database.read() as connection:
            pseudonym = await remote.pseudonym(connection, self._gallery, person)
        if pseudonym is None:
            return
        await self._service.forget(pseudonym)
        async with self._database.write() as connection:
            gone = await remote.forget(connection, self._gallery, person, self._clock.now())
        if not gone:
            raise NotReady("a portrait was on its way there at this moment", hint="it is deleted once it has arrived")

    async def people(self) -> list[str]:
        held = await self._service.people()
        # Asked afterwards: whoever is there has had a pseudonym before.
        async with self._database.read() as connection:
            names = await remote.pseudonyms(connection, self._gallery)
        persons = {pseudonym: person for person, pseudonym in names.items()}
        return sorted(persons.get(one, STRANGER + one) for one in held)
