"""Galleries that services keep, held in step with consent and with the portraits that were accepted here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from hub.db import consent, enrolments, gallery, recognisable, remote
from hub.db.engine import Database
from hub.failure import Failure
from hub.plugin import Clock, Identifier, NotFound, NotReady, Picture, PluginError, Storage
from hub.plugin.media import Unreadable, decode
from hub.pseudonyms import Pseudonymous
from hub.reconciling import Drift, do_all, reconcile
from hub.runtime.awaited import Awaited
from hub.runtime.backoff import BackOff

logger = logging.getLogger("fras.remote")

PUT_BACK = (
    "put its settings back under an id of their own, so that the hub can delete them there, or delete the gallery at "
    "the provider and say so: fras people reconcile --deleted"
)
"""What to do about a gallery that hub.yaml does not name any more."""
LOOK = 0.5
"""Seconds between two looks at whether people, consent or templates have changed."""
ROUND = 3600.0
"""Seconds after which the service is asked whom it holds, without any change."""
TOGETHER = 5
"""Portraits of a person sent in one call."""
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds between tries while the service is away."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round did: people `forgotten` there, portraits `sent`, and why those `refused` do not serve, by
    person and SHA-256."""

    forgotten: tuple[str, ...] = ()
    sent: int = 0
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)


class RemoteGallery:
    """What the service of one identifier holds of this school's people.

    People whose consent stands are enrolled there with the portraits that `finder`, the model that finds faces for it,
    accepted here; everybody else is deleted there. `name` is the recogniser's id, and `gallery` says where it is.
    """

    def __init__(
        self,
        name: str,
        gallery: str,
        identifier: Identifier | Awaited,
        finder: str,
        database: Database,
        storage: Storage,
        clock: Clock,
    ) -> None:
        self.name = name
        self._gallery = gallery
        self._asked = identifier
        self._finder = finder
        self._database = database
        self._storage = storage
        self._clock = clock

    @property
    def open(self) -> bool:
        return not isinstance(self._asked, Awaited)

    @property
    def _identifier(self) -> Identifier:
        """Raises PluginError where it is not open."""
        if isinstance(self._asked, Awaited):
            raise self._asked.why
        return Pseudonymous(self._asked, self._gallery, self._database, self._clock)

    async def version(self) -> int:
        """Another whenever `settle` may have something to do."""
        async with self._database.read() as connection:
            return await gallery.version(connection)

    async def settle(self) -> Settled:
        """Forgets and enrols what the database says is to be, asking the service nothing else.

        One person for whom it fails holds up no other. Broken off, it can be repeated: nothing is sent twice.
        Raises PluginError and DatabaseError.
        """
        surplus, missing = await self._due()
        count = 0
        refused: dict[tuple[str, str], str] = {}

        async def send(person: str) -> None:
            nonlocal count
            answers = await self._send(person, missing[person])
            count += len(answers)
            refused.update({(person, sha256): said for sha256, said in answers.items() if said})

        tasks = [partial(self.forget, person) for person in surplus]
        await do_all([*tasks, *(partial(send, person) for person in missing)])
        return Settled(tuple(surplus), count, refused)

    async def unsent(self) -> list[str]:
        """Whose portraits the service is still to be sent, as far as the database knows."""
        _, missing = await self._due()
        return list(missing)

    async def unserved(self) -> list[str]:
        """Who consented, and is not known there: the service refused every portrait, and there is no other to send."""
        leaving, missing = await self._due()
        async with self._database.read() as connection:
            sent = await remote.sent(connection, self._gallery)
        refused = [person for person, answers in sent.items() if all(answers.values())]
        return [person for person in refused if person not in missing and person not in leaving]

    async def _due(self) -> tuple[list[str], dict[str, dict[str, str]]]:
        """Who is to be forgotten, and where storage keeps what is to be sent, by person and SHA-256.

        Whoever is there with a portrait that is kept no more was removed, or withdrew, and has come back since: all of
        them is forgotten, and what is kept now is sent.
        """
        async with self._database.read() as connection:
            there = await remote.pseudonyms(connection, self._gallery)
            sent = await remote.sent(connection, self._gallery)
            kept = await enrolments.kept(connection, self._finder)
            of_any = await enrolments.kept(connection)
            granted = await consent.granted(connection, {*there, *kept}, self._clock.now())
            allowed = granted - await consent.invented(connection)
        back = {
            person for person in there.keys() & sent.keys() if not sent[person].keys() <= of_any.get(person, {}).keys()
        }
        new = {
            person: {sha256: key for sha256, key in kept[person].items() if sha256 not in known}
            for person in sorted(kept.keys() & allowed)
            for known in [{} if person in back else sent.get(person, {})]
        }
        surplus = sorted((there.keys() - allowed) | (there.keys() & back))
        return surplus, {person: pictures for person, pictures in new.items() if pictures}

    async def forget(self, person: str) -> None:
        """Deletes the person there, and notes that it is done. Raises PluginError; then it is still to be done."""
        await self._identifier.forget(person)
        await self._gone([person])

    async def reconcile(self) -> Drift:
        """Asks the service whom it holds and deletes whoever may not be there; whoever is missing is to be sent again.

        Raises PluginError and DatabaseError.
        """
        async with self._database.read() as connection:
            expected = await remote.serving(connection, self._gallery)
        drift = await reconcile(self._database, self._identifier, expected, self._clock)
        async with self._database.write() as connection:
            for person in drift.missing:
                await remote.forget(connection, self._gallery, person, self._clock.now())
        await self._gone([*drift.forgotten, *drift.missing])
        return drift

    async def _gone(self, persons: Sequence[str]) -> None:
        if persons:
            async with self._database.write() as connection:
                for person in persons:
                    await recognisable.ends(connection, person, self._identifier.model.id, self._clock.now())

    async def _send(self, person: str, keys: Mapping[str, str]) -> dict[str, str]:
        answers: dict[str, str] = {}
        waiting = iter(keys.items())
        while part := list(islice(waiting, TOGETHER)):
            said = {sha256: await self._picture(key) for sha256, key in part}
            crops = {sha256: one for sha256, one in said.items() if isinstance(one, Picture)}
            done = {sha256: one for sha256, one in said.items() if isinstance(one, str)}
            if not await self._begin(person):
                return answers
            try:
                if crops:
                    told = await self._identifier.enrol(person, list(crops.values()))
                    done |= zip(crops, told, strict=True)
            finally:
                await self._note(person, done)
            answers |= done
        return answers

    async def _begin(self, person: str) -> bool:
        """Whether consent stands; then it is noted, in the same moment, that something is on the way."""
        now = self._clock.now()
        async with self._database.write() as connection:
            if not await consent.granted(connection, [person], now):
                return False
            await remote.begin(connection, self._gallery, person, now)
        return True

    async def _note(self, person: str, answers: Mapping[str, str]) -> None:
        """Noted even where consent has ceased meanwhile: so that it is deleted there."""
        now = self._clock.now()
        async with self._database.write() as connection:
            await remote.record(connection, self._gallery, person, answers, now)
            if not all(answers.values()) and await consent.granted(connection, [person], now):
                await recognisable.begins(connection, person, self._identifier.model.id, now)

    async def _picture(self, key: str) -> Picture | str:
        """A portrait out of storage, or why it cannot be sent."""
        try:
            return await asyncio.to_thread(decode, await self._storage.get(key))
        except (NotFound, Unreadable):
            return "the kept picture is not there any more"


async def keep_in_step(remote_gallery: RemoteGallery, clock: Clock) -> None:
    """Works until cancelled: follows every change within a second, and looks every hour what is there.

    What fails is tried again until the service has confirmed it, in this run of the hub or a later one.
    """
    seen, due = -1, clock.monotonic()
    back_off = BackOff(FIRST_RETRY, LONGEST_RETRY)
    failing = False
    while True:
        pause = LOOK
        try:
            version = await remote_gallery.version()
            whole = clock.monotonic() >= due
            if whole or version != seen:
                drift, problem = Drift(), None
                try:
                    drift = await remote_gallery.reconcile() if whole else drift
                except NotReady as error:  # with somebody, perhaps: the others are enrolled all the same
                    problem = error
                settled = await remote_gallery.settle()
                if problem is not None:
                    raise problem
                _tell(remote_gallery.name, drift, settled)
                seen, due = version, clock.monotonic() + ROUND if whole else due
                if failing:
                    logger.info("recognizer %s is in step with consent again", remote_gallery.name)
                failing = False
                back_off.reset()
        except (PluginError, Failure) as error:
            level = logging.DEBUG if failing else logging.WARNING
            logger.log(level, "recognizer %s is not in step with consent, trying again: %s", remote_gallery.name, error)
            failing, pause = True, back_off.next()
        await clock.sleep(pause)


async def adopt(database: Database, services: Mapping[str, str]) -> None:
    """What an older FRAS sent to the `services` of hub.yaml, by id, it sent to where they are now.

    Raises DatabaseError.
    """
    async with database.read() as connection:
        older = services.keys() & await remote.galleries(connection)
    for name in sorted(older):
        async with database.write() as connection:
            await remote.adopt(connection, name, services[name])


async def leave_former(database: Database, known: Collection[str], models: Collection[str], clock: Clock) -> None:
    """Says in which galleries people of this school may be, though hub.yaml does not name them (any more).

    With `models` of services nobody can be recognised who is only there: from now on they are not looked for.
    """
    async with database.read() as connection:
        former = [place for place in await remote.galleries(connection) if place not in known]
    for place in former:
        logger.warning("people are enrolled at %s, which is not in hub.yaml any more: %s", place, PUT_BACK)
    if former and models:
        async with database.write() as connection:
            served = {person for place in known for person in await remote.serving(connection, place)}
            for model in models:
                for person in await recognisable.held(connection, model) - served:
                    await recognisable.ends(connection, person, model, clock.now())


def _tell(name: str, drift: Drift, settled: Settled) -> None:
    told = logger.info
    if forgotten := len(drift.forgotten) + len(settled.forgotten):
        told("recognizer %s: %d people without standing consent deleted there", name, forgotten)
    if drift.missing:
        told("recognizer %s: %d people were missing there and are enrolled again", name, len(drift.missing))
    if settled.sent:
        told("recognizer %s: %d portraits sent, %d of them refused", name, settled.sent, len(settled.refused))
