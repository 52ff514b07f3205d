"""The demo school: people invented by a camera plugin, enrolled at the first start and kept apart from real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from hub.db import consent, enrolments, templates
from hub.db.engine import Database
from hub.enrolment import Enrolment, PersonResult
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.members import Scope
from hub.plugin import Clock, Embedder, Invented
from hub.portraits import Pupil, read_pupils
from hub.recognition.calibration import halfway
from hub.recognition.consent import INVENTED, Consent, invented, standing
from hub.recognition.policy import Policy
from hub.registration import Signature, register_people

NOTICE = "demo: a drawing, nobody's likeness"


async def seed(
    database: Database,
    enrolment: Enrolment,
    clock: Clock,
    casts: Iterable[Invented],
    report: Callable[[str], None],
) -> None:
    """Enters the invented people, unless they were entered before, and makes the templates they lack.

    Whoever was removed, or whose consent was withdrawn since, stays so while anybody invented is left.
    """
    pupils = [(pupil, pupil.id in cast.refused) for cast in casts for pupil in read_pupils(cast.portraits)]
    if not pupils:
        return
    async with database.read() as connection:
        entered = bool(await consent.invented(connection))
    if not entered:
        for refuses in (False, True):
            signature = Signature(Consent.REFUSED if refuses else Consent.GRANTED, INVENTED, NOTICE)
            await register_people(database, [pupil for pupil, no in pupils if no is refuses], signature, clock)
    lacking = await _lacking(database, [pupil for pupil, _ in pupils], enrolment.model_id, clock)
    done = 0
    async for result in enrolment.enrol(lacking):
        if isinstance(result, PersonResult):
            done += 1
            report(f"enrolling the demo school: {min(done, len(lacking))} of {len(lacking)}")


async def scope(database: Database, embedder: Embedder, policy: Policy, clock: Clock) -> Scope:
    """How pictures of invented people are judged: among them alone, with thresholds of their own.

    Drawn faces are nearer to each other than real ones are, so that the model's thresholds do not fit them.
    """
    model = embedder.model
    async with database.read() as connection:
        drawn = await consent.invented(connection)
        accepted = await enrolments.accepted(connection, model.id)
    embeddings = {person: vectors for person, vectors in accepted.items() if person in drawn}
    thresholds = halfway(embeddings, model.metric, policy.thresholds)
    gallery = GalleryKeeper(database, model.id, model.metric, clock, invented=True)
    return Scope(gallery, replace(policy, thresholds=thresholds))


async def _lacking(database: Database, pupils: Iterable[Pupil], model_id: str, clock: Clock) -> list[Pupil]:
    """Those of the invented whose consent stands and who have no template of the model."""
    now = clock.now()
    async with database.read() as connection:
        said = await consent.by_person(connection)
        enrolled, _ = await templates.all(connection, model_id)
    return [
        pupil
        for pupil in pupils
        if pupil.id not in enrolled
        and invented(said.get(pupil.id, ()))
        and standing(said[pupil.id], now) is Consent.GRANTED
    ]
