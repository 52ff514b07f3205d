"""Entering people with their consent, before they are enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.db import consent, enrolments, people, templates
from hub.db.engine import Database
from hub.db.people import Person
from hub.plugin import Clock
from hub.portraits import Pupil
from hub.recognition.consent import Consent, ConsentEvent, standing


@dataclass(frozen=True, slots=True)
class Signature:
    """What somebody signed for people to be enrolled."""

    state: Consent
    signer: str
    notice: str = ""


async def register_people(
    database: Database, pupils: Sequence[Pupil], signature: Signature | None, clock: Clock
) -> dict[str, Consent]:
    """Enters people with their consent and answers those whose consent does not stand, and what it amounts to.

    What a pupil's record leaves open stays as it was. The same signature for somebody for whom that signer's word
    already is what counts is not written again.
    """
    now = clock.now()
    async with database.write() as connection:
        known = {person.id: person for person in await people.all(connection)}
        await people.add(connection, *(_entered(pupil, known.get(pupil.id)) for pupil in pupils))
        said = await consent.by_person(connection)
        for pupil in pupils:
            events = said.setdefault(pupil.id, [])
            if signature is None:
                continue
            earlier = [event for event in events if event.signer == signature.signer]
            if earlier and _says(earlier, now) == (signature.state, signature.state, signature.notice):
                continue
            events.append(
                await consent.append(
                    connection,
                    person=pupil.id,
                    signer=signature.signer,
                    state=signature.state,
                    at=now,
                    notice_version=signature.notice,
                )
            )
            if standing(events, now) is not Consent.GRANTED:
                await templates.remove(connection, pupil.id, at=now)
                await enrolments.forget_embeddings(connection, pupil.id)
    amounts_to = {pupil.id: standing(said[pupil.id], now) for pupil in pupils}
    return {person: state for person, state in amounts_to.items() if state is not Consent.GRANTED}


def _entered(pupil: Pupil, known: Person | None) -> Person:
    name, class_name = (known.name, known.class_name) if known else (pupil.id, None)
    return Person(pupil.id, pupil.name or name, pupil.class_name or class_name)


def _says(events: Sequence[ConsentEvent], now: datetime) -> tuple[Consent, Consent, str]:
    """What one signer's events amount to; the last of them, and the notice it was about."""
    return standing(events, now), events[-1].state, events[-1].notice_version
