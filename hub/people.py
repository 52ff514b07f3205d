"""Who is known and whose consent stands; and the ways out: withdrawal and removal."""

from __future__ import annotations

from dataclasses import dataclass

from hub.crops import delete_all
from hub.db import consent, enrolments, observations, people, templates
from hub.db.engine import Database
from hub.db.enrolments import EnrolmentImage
from hub.db.people import Person
from hub.failure import Failure
from hub.plugin import Clock, PluginError, Storage
from hub.recognition.consent import Consent, ConsentEvent, standing


@dataclass(frozen=True, slots=True)
class Known:
    """`images` is how many pictures the template rests on, 0 without one."""

    id: str
    name: str
    class_name: str | None
    consent: Consent
    images: int


class Roll:
    """The people in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def everybody(self) -> list[Known]:
        """By id."""
        async with self._database.read() as connection:
            said = await consent.by_person(connection)
            images = await templates.images(connection)
            now = self._clock.now()
            return [
                Known(
                    person.id,
                    person.name,
                    person.class_name,
                    standing(said.get(person.id, ()), now),
                    images.get(person.id, 0),
                )
                for person in await people.all(connection)
            ]

    async def knows(self, person: str) -> bool:
        async with self._database.read() as connection:
            return await people.get(connection, person) is not None

    async def one(self, person: str) -> Known:
        """Raises Failure when nobody has the id."""
        async with self._database.read() as connection:
            found = await people.get(connection, person)
            said = await consent.events(connection, person)
            images = await templates.images(connection)
        if found is None:
            raise Failure(f"nobody has the id {person!r}", hint="fras people list shows everybody")
        stands = standing(said, self._clock.now())
        return Known(found.id, found.name, found.class_name, stands, images.get(person, 0))

    async def consent_of(self, person: str) -> list[ConsentEvent]:
        async with self._database.read() as connection:
            return await consent.events(connection, person)

    async def portraits_of(self, person: str) -> list[EnrolmentImage]:
        async with self._database.read() as connection:
            return await enrolments.of_person(connection, person)

    async def add(self, person: str, name: str | None = None, class_name: str | None = None) -> Known:
        """Adds somebody, or changes what is given of somebody known. Raises Failure for what cannot be kept."""
        async with self._database.write() as connection:
            known = await people.get(connection, person)
            try:
                new = known or Person(person, person)
                new = Person(person, name or new.name, class_name or new.class_name)
            except ValueError as problem:
                raise Failure(
                    f"{person!r} cannot be added: {problem}", hint="give an id and a name in letters"
                ) from None
            await people.add(connection, new)
        return await self.one(person)

    async def sign(self, person: str, state: Consent, signer: str, notice: str) -> Consent:
        """Records what `signer` said and answers what consent amounts to now.

        Where it no longer stands, templates and embeddings go in the same transaction.
        """
        await self.one(person)
        async with self._database.write() as connection:
            now = self._clock.now()
            await consent.append(connection, person=person, signer=signer, state=state, at=now, notice_version=notice)
            amounts_to = standing(await consent.events(connection, person), now)
            if amounts_to is not Consent.GRANTED:
                await templates.remove(connection, person, at=now)
                await enrolments.forget_embeddings(connection, person)
        return amounts_to


class Erasure:
    """Removes what storage holds of a person, and the person."""

    def __init__(self, database: Database, storage: Storage, clock: Clock) -> None:
        self._database = database
        self._storage = storage
        self._clock = clock

    async def pictures(self, person: str) -> int:
        """Deletes the evidence crops that show the person and the kept portraits, and says how many.

        Raises what storage raises, once it was asked for each; then their rows stay, for the next time.
        """
        async with self._database.read() as connection:
            images = await enrolments.of_person(connection, person)
            crops = await observations.crops_of(connection, person)
        kept = [image.crop_key for image in images if image.crop_key]
        await delete_all(self._storage, [*kept, *crops])
        async with self._database.write() as connection:
            await enrolments.forget(connection, person)
            await observations.drop_crops(connection, crops)
        await self._database.forget_log()
        return len(kept) + len(crops)

    async def person(self, person: str) -> int:
        """Deletes the person with everything that is theirs; observations of them become unknown faces.

        Answers how many pictures went. Raises Failure when nobody has the id.
        """
        pictures = await self.pictures(person)
        async with self._database.write() as connection:
            late = await observations.crops_of(connection, person)  # a running hub has seen the person meanwhile
            late += [image.crop_key for image in await enrolments.of_person(connection, person) if image.crop_key]
            await observations.drop_crops(connection, late)
            if not await people.remove(connection, person):
                raise Failure(f"nobody has the id {person!r}", hint="fras people list shows everybody")
        await self._database.forget_log()
        await delete_all(self._storage, late)
        return pictures + len(late)

    async def lapsed(self) -> int:
        """Deletes templates and pictures of everybody whose consent does not stand, and says of how many people.

        A grant has expired, a withdrawal has come due, or the deletion after an objection was interrupted.
        """
        async with self._database.read() as connection:
            now = self._clock.now()
            everybody = {person.id for person in await people.all(connection)}
            objecting = everybody - await consent.granted(connection, everybody, now)
            held = await templates.holders(connection) | await enrolments.holders(connection)
            lapsed = sorted((held & objecting) | await observations.shown(connection, objecting))
        first: PluginError | None = None
        for person in lapsed:
            async with self._database.write() as connection:
                await templates.remove(connection, person, at=now)
                await enrolments.forget_embeddings(connection, person)
            try:
                await self.pictures(person)
            except PluginError as error:
                first = first or error
        if first is not None:
            raise first
        return len(lapsed)
