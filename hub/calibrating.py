"""Calibration with the database: the enrolled embeddings in, the thresholds kept, and whether they still fit."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hub.db import consent, enrolments, templates
from hub.db import settings as stored
from hub.db.engine import Database
from hub.plugin import Model
from hub.policies import calibration_key
from hub.recognition.calibration import Calibration, calibrate
from hub.recognition.policy import Thresholds

ANEW = "run fras calibrate, then fras reload"


@dataclass(frozen=True, slots=True)
class Stale:
    """Thresholds were measured on a gallery of `people`, which is another now, of `now` people."""

    model_id: str
    people: int
    now: int

    def __str__(self) -> str:
        return (
            f"the thresholds were measured on {self.people} enrolled people, and the gallery has changed since: "
            f"{self.now} people"
        )


async def calibrate_gallery(database: Database, model: Model, target_fpir: float) -> Calibration:
    """Calibrates on real people's accepted portraits, and keeps the thresholds if they could be measured."""
    async with database.read() as connection:
        invented = await consent.invented(connection)
        accepted = await enrolments.accepted(connection, model.id)
        portraits = await enrolments.serving(connection, model.id)
    embeddings = {person: vectors for person, vectors in accepted.items() if person not in invented}
    published = Thresholds(model.threshold, model.single_frame, model.margin)
    found = await asyncio.to_thread(calibrate, embeddings, model.metric, published, target_fpir)
    if found.measured:
        kept = {
            "thresholds": asdict(found.thresholds),
            "people": len(embeddings),
            "gallery": _version([one for one in portraits if one[0] not in invented]),
        }
        async with database.write() as connection:
            await stored.put(connection, calibration_key(model.id), kept)
    return found


async def stale_calibration(database: Database) -> Stale | None:
    """The calibration for the model in use, if the portraits it was measured on are no longer those there are."""
    async with database.read() as connection:
        model_id = await templates.newest_model(connection)
        kept = await stored.get(connection, calibration_key(model_id)) if model_id else None
        if model_id is None or kept is None:
            return None
        invented = await consent.invented(connection)
        portraits = [one for one in await enrolments.serving(connection, model_id) if one[0] not in invented]
    if _version(portraits) == kept["gallery"]:
        return None
    return Stale(model_id, kept["people"], len({person for person, _ in portraits}))


def _version(portraits: Sequence[tuple[str, str]]) -> str:
    """Names a gallery by what it was made of: the same whatever was renamed, and in whatever order people came."""
    return hashlib.sha256(json.dumps(portraits).encode()).hexdigest()
