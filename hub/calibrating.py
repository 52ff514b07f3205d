"""Calibration with the database: the enrolled embeddings in, the thresholds kept."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from hub.db import consent, enrolments
from hub.db import settings as stored
from hub.db.engine import Database
from hub.plugin import Model
from hub.policies import calibration_key
from hub.recognition.calibration import Calibration, calibrate
from hub.recognition.policy import Thresholds


async def calibrate_gallery(database: Database, model: Model, target_fpir: float) -> Calibration:
    """Calibrates on real people's accepted portraits, and keeps the thresholds if they could be measured."""
    async with database.read() as connection:
        invented = await consent.invented(connection)
        accepted = await enrolments.accepted(connection, model.id)
    embeddings = {person: vectors for person, vectors in accepted.items() if person not in invented}
    published = Thresholds(model.threshold, model.single_frame, model.margin)
    found = await asyncio.to_thread(calibrate, embeddings, model.metric, published, target_fpir)
    if found.measured:
        async with database.write() as connection:
            await stored.put(connection, calibration_key(model.id), asdict(found.thresholds))
    return found
