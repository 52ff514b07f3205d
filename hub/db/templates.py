"""The template of each person and model: what a probe is compared with."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import consent, gallery, recognisable, vectors
from .dialects import insert
from .gallery import version
from .tables import templates as table

__all__ = ["all", "holders", "images", "nearest", "newest_model", "remove", "replace", "version"]


async def replace(
    connection: AsyncConnection,
    person: str,
    model_id: str,
    vector: npt.NDArray[np.float32],
    images: int,
    *,
    at: datetime,
) -> None:
    """Sets the person's template for the model, shape (dimension,), computed from `images` images, `at` UTC."""
    statement = insert(connection, table).values(person=person, model_id=model_id, vector=vector, images=images)
    new = statement.excluded
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["person", "model_id"],
            set_={"vector": new.vector, "images": new.images, "updated_at": new.updated_at},
        )
    )
    await recognisable.begins(connection, person, model_id, at)
    if await vectors.kept(connection):
        await vectors.follow(connection, person, await consent.events(connection, person))
    await gallery.bump(connection)


async def remove(connection: AsyncConnection, person: str, model_id: str | None = None, *, at: datetime) -> None:
    """Removes the person's template of the model, or of all models, `at` UTC; fine if there is none."""
    statement = delete(table).where(table.c.person == person)
    await connection.execute(statement if model_id is None else statement.where(table.c.model_id == model_id))
    await recognisable.ends(connection, person, model_id, at)
    await gallery.bump(connection)


async def newest_model(connection: AsyncConnection) -> str | None:
    """The model of the template that was made last, None without any."""
    query = select(table.c.model_id).order_by(table.c.updated_at.desc()).limit(1)
    return (await connection.execute(query)).scalar()


async def holders(connection: AsyncConnection) -> frozenset[str]:
    """Everybody who has a template of any model."""
    return frozenset((await connection.execute(select(table.c.person).distinct())).scalars())


async def images(connection: AsyncConnection) -> dict[str, int]:
    """How many images the newest template of each person rests on."""
    query = select(table.c.person, table.c.images).order_by(table.c.person, table.c.updated_at)
    return {row.person: row.images for row in await connection.execute(query)}


async def all(  # noqa: A001
    connection: AsyncConnection, model_id: str
) -> tuple[builtins.list[str], npt.NDArray[np.float32]]:
    """The people who have a template for the model, by id, and their templates, shape (people, dimension).

    Without any the matrix has the shape (0, 0).
    """
    return await _loaded(connection, table.c.model_id == model_id)


async def nearest(
    connection: AsyncConnection,
    model_id: str,
    probes: npt.NDArray[Any],
    k: int,
    metric: str,
    *,
    invented: bool,
    at: datetime,
) -> tuple[builtins.list[str], npt.NDArray[np.float32]]:
    """Of `all` those among whom are the `k` nearest to each of `probes`, found by a database that has `vectors`."""
    near = vectors.nearest(model_id, probes, k, metric, invented=invented, at=at).subquery()
    return await _loaded(connection, table.c.model_id == model_id, table.c.person.in_(select(near.c.person)))


async def _loaded(
    connection: AsyncConnection, *wanted: ColumnElement[bool]
) -> tuple[builtins.list[str], npt.NDArray[np.float32]]:
    query = select(table.c.person, table.c.vector).where(*wanted).order_by(table.c.person)
    rows = (await connection.execute(query)).all()
    if not rows:
        return [], np.zeros((0, 0), np.float32)
    return [row.person for row in rows], np.stack([row.vector for row in rows])
