"""Taking leave of somebody at the services that were sent their portraits."""

from __future__ import annotations

from hub.app import School, open_recogniser
from hub.db import remote
from hub.failure import Failure
from hub.plugin import Identifier, PluginError
from hub.pseudonyms import Pseudonymous
from hub.remote_galleries import PUT_BACK


async def abandon(school: School, gallery: str) -> int:
    """Somebody has deleted a gallery at its provider; answers how many people may have been in it.

    Raises Failure for one that hub.yaml names, and for one that nobody was sent to.
    """
    if name := school.settings.recogniser_at(gallery):
        raise Failure(
            f"{gallery} is where recognizer {name} of hub.yaml keeps people",
            hint="take that out of hub.yaml first; then fras reload",
        )
    async with school.database.write() as connection:
        others = [other for other in await remote.galleries(connection) if not school.settings.recogniser_at(other)]
        if gallery not in others:
            known = f"those are: {', '.join(others)}" if others else "nobody is waited for anywhere else"
            raise Failure(f"nobody is at {gallery!r} as far as the hub knows", hint=known)
        return await remote.abandon(connection, gallery)


async def forget_elsewhere(school: School, person: str) -> dict[str, str]:
    """Deletes somebody, whose consent does not stand, at every service that was sent something: by its id, or where it
    is when hub.yaml does not name it, why it is not done yet, or nothing. What is not done a running hub tries until it
    is."""
    async with school.database.read() as connection:
        holders = await remote.holders(connection, person)
    parts = {part.id: part for part in school.settings.recognizer.parts}
    said = {}
    for gallery in holders:
        name = school.settings.recogniser_at(gallery)
        if not name:
            said[gallery] = f"it is not in hub.yaml any more; {PUT_BACK}"
            continue
        try:
            async with open_recogniser(school, parts[name]) as service:
                if isinstance(service, Identifier):
                    await Pseudonymous(service, gallery, school.database, school.clock).forget(person)
                    said[name] = ""
                else:
                    said[name] = "it is no service any more; delete the person there yourself"
        except PluginError as error:
            said[name] = str(error)
    return said
