"""Many people with templates at once, and a server that compares templates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.db import consent, people, vectors
from hub.db.people import Person
from hub.db.tables import consent_events, templates
from hub.recognition.consent import Consent
from tests.support import postgres
from tests.support.facts import START


def without_pgvector(url: str) -> str:
    """The database at `url`, whose administrator has said DROP EXTENSION vector."""
    postgres.server().sql("DROP EXTENSION IF EXISTS vector CASCADE", url.rpartition("/")[2])
    return url


def with_pgvector(url: str) -> str:
    """The database at `url`, whose administrator has said CREATE EXTENSION vector."""
    postgres.server().sql("CREATE EXTENSION IF NOT EXISTS vector", url.rpartition("/")[2])
    return url


async def enrol_many(connection: AsyncConnection, ids: Sequence[str], matrix: np.ndarray, model_id: str) -> None:
    """People whose consent stands, each with a row of `matrix` as template, in a database with pgvector."""
    await people.add(connection, *(Person(person, person) for person in ids))
    said = {"signer": "x", "state": Consent.GRANTED, "at": START, "notice_version": ""}
    await connection.execute(insert(consent_events), [{"person": person, **said} for person in ids])
    rows = [
        {"person": person, "model_id": model_id, "vector": row, "images": 1}
        for person, row in zip(ids, matrix, strict=True)
    ]
    await connection.execute(insert(templates), rows)
    await vectors.build(connection, await consent.by_person(connection))
