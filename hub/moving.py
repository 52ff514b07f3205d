"""Moving to another recogniser: people are enrolled for it with the pictures that were kept of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from hub.db import consent, enrolments, gallery, templates
from hub.db.engine import Database
from hub.enrolment import Enrolment, ImageResult, PersonResult
from hub.failure import Failure
from hub.plugin import Clock, PluginError
from hub.runtime.backoff import BackOff

logger = logging.getLogger("fras.moving")

FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds between tries while the recogniser or the storage is away."""
LOOK = 5.0
"""Seconds between two looks at whether people, consent or templates have changed."""
QUIET = 30.0
"""Seconds without such a change, after which those are looked for who were left behind."""


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
    """Works until cancelled: moves everybody to the recogniser, however often that takes, and whoever is left behind
    later, by a `fras enroll` for which it did not work, say. `report` is told how far it is."""
    back_off = BackOff(FIRST_RETRY, LONGEST_RETRY)
    level = logging.WARNING
    while True:
        try:
            version = await _version(database)
            await _move_all(name, enrolment, database, clock, report)
            back_off.reset()
            level = logging.WARNING
            await _changed(database, clock, version)
        except (PluginError, Failure) as error:
            logger.log(level, "recognizer %s: enrolling with the kept pictures goes on later: %s", name, error)
            level = logging.DEBUG
            await clock.sleep(back_off.next())


async def _move_all(
    name: str, enrolment: Enrolment, database: Database, clock: Clock, report: Callable[[str], None]
) -> None:
    done: dict[str, int] = {}
    count = len(await movable(database, enrolment.model_id, clock))
    if count:
        logger.info("recognizer %s: enrolling %d people with the pictures kept of them", name, count)
    async for result in move(enrolment, database, clock):
        if isinstance(result, PersonResult):
            done[result.person] = result.images
            report(f"enrolling people with the pictures kept of them: {len(done)} of {count}")
    if done:
        without = sum(not images for images in done.values())
        also = f"; {without} have no picture that serves and need new ones (fras enroll)" if without else ""
        logger.info("recognizer %s: %d people enrolled%s", name, len(done) - without, also)
    report("")


async def _changed(database: Database, clock: Clock, seen: int) -> None:
    """Returns once people, consent or templates are no more those of version `seen`, and have been left alone since:
    whoever is being enrolled by a command is left to it."""
    last, since = seen, clock.monotonic()
    while last == seen or clock.monotonic() < since + QUIET:
        await clock.sleep(LOOK)
        if (version := await _version(database)) != last:
            last, since = version, clock.monotonic()


async def _version(database: Database) -> int:
    async with database.read() as connection:
        return await gallery.version(connection)
