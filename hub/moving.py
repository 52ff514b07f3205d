"""Moving to another recogniser: people are enrolled for it with the pictures that were kept of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from hub.db import consent, enrolments, templates
from hub.db.engine import Database
from hub.enrolment import Enrolment, ImageResult, PersonResult
from hub.failure import Failure
from hub.plugin import Clock, PluginError
from hub.runtime.backoff import BackOff

logger = logging.getLogger("fras.moving")

FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds between tries while the recogniser or the storage is away."""


async def movable(database: Database, model_id: str, clock: Clock, *, again: bool = False) -> dict[str, dict[str, str]]:
    """Where storage keeps the pictures, by person and SHA-256, that people can be enrolled for the model with.

    Those of real people whose consent stands, who lack a template of the model, and that it has not judged; with
    `again` all that do not serve the model already, of everybody.
    """
    async with database.read() as connection:
        kept = await enrolments.kept(connection)
        granted = await consent.granted(connection, kept, clock.now()) - await consent.invented(connection)
        holders, _ = await templates.all(connection, model_id)
        known = {(p, s) for s, p in (await enrolments.owners(connection, model_id)).items()}
        if not again:
            known |= await enrolments.judged(connection, model_id)
    settled = set() if again else set(holders)
    found = {
        person: {sha256: key for sha256, key in pictures.items() if (person, sha256) not in known}
        for person, pictures in kept.items()
        if person in granted and person not in settled
    }
    return {person: pictures for person, pictures in found.items() if pictures}


async def move(
    enrolment: Enrolment, database: Database, clock: Clock, *, again: bool = False
) -> AsyncIterator[ImageResult | PersonResult]:
    """Enrols everybody who can be; each person is done at once, so that an interruption loses nothing.

    Raises PluginError and DatabaseError.
    """
    pictures = await movable(database, enrolment.model_id, clock, again=again)
    if pictures:
        async for result in enrolment.enrol_kept(pictures):
            yield result


async def keep_moving(
    name: str, enrolment: Enrolment, database: Database, clock: Clock, report: Callable[[str], None]
) -> None:
    """Moves everybody to the recogniser in the background, however often it takes; `report` is told how far it is."""
    back_off = BackOff(FIRST_RETRY, LONGEST_RETRY)
    while True:
        done: dict[str, int] = {}
        try:
            count = len(await movable(database, enrolment.model_id, clock))
            if count:
                logger.info("recognizer %s: enrolling %d people with the pictures kept of them", name, count)
            async for result in move(enrolment, database, clock):
                if isinstance(result, PersonResult):
                    done[result.person] = result.images
                    report(f"enrolling people with the pictures kept of them: {len(done)} of {count}")
        except (PluginError, Failure) as error:
            logger.warning("recognizer %s: enrolling with the kept pictures goes on later: %s", name, error)
            await clock.sleep(back_off.next())
            continue
        if done:
            without = sum(not images for images in done.values())
            also = f"; {without} have no picture that serves and need new ones (fras enroll)" if without else ""
            logger.info("recognizer %s: %d people enrolled%s", name, len(done) - without, also)
        report("")
        return
