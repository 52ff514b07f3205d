"""The photographs people were enrolled with: what became of each, and its embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import uuid6
from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .dialects import insert
from .tables import enrolment_images as table

BATCH = 500


class State(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class EnrolmentImage:
    """One photograph judged by one model.

    `reason` says why it was refused. `embedding` has the shape (dimension,). `crop_key` is where storage keeps the
    aligned chip.
    """

    person: str
    source_sha256: str
    model_id: str
    state: State
    reason: str = ""
    quality: Mapping[str, Any] | None = None
    embedding: npt.NDArray[np.float32] | None = None
    crop_key: str | None = None


async def owners(connection: AsyncConnection, model_id: str) -> dict[str, str]:
    """Whose every photograph is, by SHA-256, that serves the model: its embedding is kept."""
    query = select(table.c.source_sha256, table.c.person).where(
        table.c.model_id == model_id, table.c.embedding.is_not(None)
    )
    return {row.source_sha256: row.person for row in await connection.execute(query.order_by(table.c.person.desc()))}


async def kept_crops(connection: AsyncConnection, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that a photograph's row refers to."""
    kept: set[str] = set()
    for start in range(0, len(keys), BATCH):
        query = select(table.c.crop_key).where(table.c.crop_key.in_(keys[start : start + BATCH]))
        kept |= set((await connection.execute(query)).scalars())
    return kept


async def record(connection: AsyncConnection, *images: EnrolmentImage, at: datetime) -> None:
    """Stores what became of photographs; a later judgement of the same one by the same model replaces the earlier."""
    for start in range(0, len(images), BATCH):
        rows = [_row(image) | {"created_at": at} for image in images[start : start + BATCH]]
        statement = insert(connection, table).values(rows)
        new = statement.excluded
        changing = ("state", "reason", "quality", "embedding", "crop_key", "created_at")
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["person", "source_sha256", "model_id"], set_={name: new[name] for name in changing}
            )
        )


async def of_person(connection: AsyncConnection, person: str, model_id: str | None = None) -> list[EnrolmentImage]:
    """Every photograph of the person that the model, or any model, has judged, oldest first."""
    query = select(table).where(table.c.person == person).order_by(table.c.created_at, table.c.source_sha256)
    if model_id is not None:
        query = query.where(table.c.model_id == model_id)
    return [
        EnrolmentImage(
            person=row.person,
            source_sha256=row.source_sha256,
            model_id=row.model_id,
            state=State(row.state),
            reason=row.reason,
            quality=row.quality,
            embedding=row.embedding,
            crop_key=row.crop_key,
        )
        for row in await connection.execute(query)
    ]


async def kept(connection: AsyncConnection, model_id: str | None = None) -> dict[str, dict[str, str]]:
    """Where storage keeps the pictures of each person's accepted photographs, by SHA-256: those that serve the model,
    or any; then the newest."""
    query = select(table.c.person, table.c.source_sha256, table.c.crop_key).where(
        table.c.state == State.ACCEPTED, table.c.crop_key.is_not(None)
    )
    if model_id is not None:
        query = query.where(table.c.model_id == model_id)
    found: dict[str, dict[str, str]] = {}
    for row in await connection.execute(query.order_by(table.c.person, table.c.created_at, table.c.source_sha256)):
        found.setdefault(row.person, {})[row.source_sha256] = row.crop_key
    return found


async def judged(connection: AsyncConnection, model_id: str) -> set[tuple[str, str]]:
    """Every photograph, by person and SHA-256, that the model has judged."""
    query = select(table.c.person, table.c.source_sha256).where(table.c.model_id == model_id)
    return {(row.person, row.source_sha256) for row in await connection.execute(query)}


async def accepted(connection: AsyncConnection, model_id: str) -> dict[str, npt.NDArray[np.float32]]:
    """The embeddings of each person's accepted photographs, shape (images, dimension), in a stable order."""
    query = (
        select(table.c.person, table.c.embedding)
        .where(table.c.model_id == model_id, table.c.state == State.ACCEPTED, table.c.embedding.is_not(None))
        .order_by(table.c.person, table.c.source_sha256)
    )
    vectors: dict[str, list[npt.NDArray[np.float32]]] = {}
    for row in await connection.execute(query):
        vectors.setdefault(row.person, []).append(row.embedding)
    return {person: np.stack(rows) for person, rows in vectors.items()}


async def serving(connection: AsyncConnection, model_id: str) -> list[tuple[str, str]]:
    """Person and SHA-256 of each accepted photograph whose embedding is kept, in a stable order."""
    query = (
        select(table.c.person, table.c.source_sha256)
        .where(table.c.model_id == model_id, table.c.state == State.ACCEPTED, table.c.embedding.is_not(None))
        .order_by(table.c.person, table.c.source_sha256)
    )
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def holders(connection: AsyncConnection) -> frozenset[str]:
    """Everybody of whose photographs an embedding or a picture is kept."""
    kept = or_(table.c.embedding.is_not(None), table.c.crop_key.is_not(None))
    return frozenset((await connection.execute(select(table.c.person).where(kept).distinct())).scalars())


async def forget_embeddings(connection: AsyncConnection, person: str) -> None:
    """Removes the embeddings of the person's photographs; which were looked at stays known."""
    await connection.execute(update(table).where(table.c.person == person).values(embedding=None))


async def forget(connection: AsyncConnection, person: str) -> None:
    """Removes everything kept of the person's photographs."""
    await connection.execute(delete(table).where(table.c.person == person))


def _row(image: EnrolmentImage) -> dict[str, Any]:
    return {
        "id": str(uuid6.uuid7()),
        "person": image.person,
        "source_sha256": image.source_sha256,
        "model_id": image.model_id,
        "state": image.state,
        "reason": image.reason,
        "quality": None if image.quality is None else dict(image.quality),
        "embedding": image.embedding,
        "crop_key": image.crop_key,
    }
