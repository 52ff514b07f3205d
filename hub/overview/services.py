"""What services that keep galleries of their own have of a person, and what they refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hub.db import consent, remote
from hub.db.engine import Database
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class AtService:
    """`name` is the recogniser's id, or where the gallery is if hub.yaml does not name it any more.

    `serving` portraits were taken there; `refused` says of each of the others, by SHA-256, why it does not serve.
    `leaving` is somebody whose consent does not stand, and who is still to be deleted there; `former` is a gallery that
    hub.yaml does not name any more.
    """

    name: str
    serving: int
    refused: Mapping[str, str]
    leaving: bool
    former: bool

    @property
    def standing(self) -> str:
        """For staff, in one clause."""
        if self.leaving:
            return "still to be deleted there"
        if self.former:
            return "perhaps still enrolled there, though hub.yaml does not name it any more"
        if not self.serving:
            return "not recognised there, for no portrait serves" if self.refused else "not enrolled there yet"
        taken = f"{self.serving} portrait{'s' if self.serving > 1 else ''} enrolled there"
        return f"{taken}, {len(self.refused)} refused" if self.refused else taken

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why portraits were refused, and how many."""
        return Counter(self.refused.values())


async def at_services(database: Database, settings: Settings, person: str, now: datetime) -> tuple[AtService, ...]:
    """Of those that were sent anything, and have not confirmed that they deleted it."""
    async with database.read() as connection:
        answers = await remote.answers(connection, person)
        leaving = bool(answers) and person not in await consent.granted(connection, [person], now)
    found = []
    for gallery, said in answers.items():
        refused = {sha256: reason for sha256, reason in said.items() if reason}
        name = settings.recogniser_at(gallery)
        found.append(AtService(name or gallery, len(said) - len(refused), refused, leaving, former=not name))
    return tuple(found)
