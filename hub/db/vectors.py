"""The templates once more as PostgreSQL can compare them itself, where its extension pgvector is in the database.

Beside each vector stands when its person's consent does, so that a search sees nobody else's. The rows change in the
transaction that changes what they are made of: consent and templates call `follow`, and what is deleted takes its
row along. They are made anew whenever that is needed, so that neither a copy nor a backup has to carry them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, String, TextualSelect, bindparam, column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.recognition.consent import ConsentEvent, invented, spans
from hub.recognition.similarity import COSINE, EUCLIDEAN, prepared

from .tables import templates
from .types import UtcDateTime

BATCH = 500
REACH = 0.01
"""How much farther than the k-th nearest is still found, in lengths of the probe, or of 1: far more than by what two
computers of a distance differ, so that whoever scores those found misses none of the k."""

DISTANCES = {
    COSINE: "coalesce(nullif(kept.vector <=> probe.vector, 'NaN'), 1)",
    EUCLIDEAN: "kept.vector <-> probe.vector",
}
"""pgvector's, for vectors that `prepared` has made; its cosine with zero is undefined, ours is 0."""

TABLE = (
    "DROP TABLE IF EXISTS template_vectors",
    """CREATE TABLE template_vectors (
        person varchar COLLATE "C" NOT NULL,
        model_id varchar COLLATE "C" NOT NULL,
        invented boolean NOT NULL,
        stands tstzmultirange NOT NULL,
        vector vector NOT NULL,
        PRIMARY KEY (model_id, person),
        FOREIGN KEY (person, model_id) REFERENCES templates (person, model_id) ON DELETE CASCADE
    )""",
    # Kept elsewhere, as it would be from 500 dimensions on, each vector would have to be fetched by itself.
    "ALTER TABLE template_vectors ALTER COLUMN vector SET STORAGE MAIN",
)

INSERT = text("""
    INSERT INTO template_vectors (person, model_id, invented, stands, vector)
    VALUES (:person, :model_id, :invented,
        CAST(CAST(:stands AS text) AS tstzmultirange), CAST(CAST(:vector AS text) AS vector))
""")

NEAREST = """
    SELECT DISTINCT near.person
    FROM unnest(CAST(CAST(:probes AS text[]) AS vector[]), CAST(:reaches AS float8[])) AS probe (vector, reach)
    CROSS JOIN LATERAL (
        WITH found AS MATERIALIZED (
            SELECT kept.person, DISTANCE AS distance
            FROM template_vectors AS kept
            WHERE kept.model_id = :model_id AND kept.invented = :invented AND kept.stands @> :at
        )
        SELECT found.person
        FROM found
        WHERE found.distance <= probe.reach + (
            SELECT max(best.distance) FROM (SELECT distance FROM found ORDER BY distance LIMIT :k) AS best
        )
    ) AS near
"""


async def offered(connection: AsyncConnection) -> bool:
    """Whether the database has the extension pgvector, and is PostgreSQL 14 or newer."""
    if connection.dialect.name != "postgresql":
        return False
    query = text("SELECT to_regtype('vector') IS NOT NULL AND to_regtype('tstzmultirange') IS NOT NULL")
    return bool((await connection.execute(query)).scalar_one())


async def kept(connection: AsyncConnection) -> bool:
    """Whether they are to follow: the table is there, with its vectors, which go with the extension."""
    if connection.dialect.name != "postgresql":
        return False
    query = text("""
        SELECT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = to_regclass('template_vectors') AND attname = 'vector' AND NOT attisdropped
        )
    """)
    return bool((await connection.execute(query)).scalar_one())


async def ready(connection: AsyncConnection) -> bool:
    """Whether every template can be searched here."""
    if not await kept(connection):
        return False
    missing = "SELECT person, model_id FROM templates EXCEPT SELECT person, model_id FROM template_vectors"
    return bool((await connection.execute(text(f"SELECT NOT EXISTS ({missing})"))).scalar_one())


async def build(connection: AsyncConnection, said: dict[str, list[ConsentEvent]]) -> None:
    """Makes all of it, where it is `offered`, from every template and what everybody has said."""
    for statement in TABLE:
        await connection.execute(text(statement))
    rows = await connection.stream(select(templates), execution_options={"yield_per": BATCH})
    async for batch in rows.partitions():
        await connection.execute(INSERT, [_row(row, said.get(row.person, ())) for row in batch])
    await connection.execute(text("ANALYZE template_vectors"))


async def follow(connection: AsyncConnection, person: str, said: Iterable[ConsentEvent]) -> None:
    """Brings the person's rows to their templates and what they have `said`."""
    await connection.execute(text("DELETE FROM template_vectors WHERE person = :person"), {"person": person})
    rows = (await connection.execute(select(templates).where(templates.c.person == person))).all()
    if rows:
        await connection.execute(INSERT, [_row(row, said) for row in rows])


def nearest(
    model_id: str, probes: npt.NDArray[Any], k: int, metric: str, *, invented: bool, at: datetime
) -> TextualSelect:
    """Selects the `person`s among whom are the `k` nearest to each of `probes` (p, dimension), and few more.

    Only those whose consent stands `at` that moment (UTC); of the invented, or of all others. Every template of the
    model is compared. An index of pgvector's (HNSW, IVFFlat) would be quicker and miss some: were it the second
    nearest of two alike, nobody would see that they are, and a pupil would be taken for the other.
    Raises ValueError for an unknown metric.
    """
    vectors = prepared(probes, metric)
    lengths = np.maximum(np.linalg.norm(vectors.astype(np.float64), axis=1), 1)
    query = text(NEAREST.replace("DISTANCE", DISTANCES[metric]))
    return query.bindparams(
        bindparam("at", at, UtcDateTime),
        probes=[_text(vector) for vector in vectors],
        reaches=(REACH * lengths).tolist(),
        model_id=model_id,
        invented=invented,
        k=k,
    ).columns(column("person", String))


def _row(row: Row[Any], said: Iterable[ConsentEvent]) -> dict[str, Any]:
    said = list(said)
    stands = ",".join(f"[{since.isoformat()},{until.isoformat() if until else ''})" for since, until in spans(said))
    return {
        "person": row.person,
        "model_id": row.model_id,
        "invented": invented(said),
        "stands": f"{{{stands}}}",
        "vector": _text(prepared(row.vector[None], EUCLIDEAN)[0]),
    }


def _text(vector: npt.NDArray[np.float32]) -> str:
    """As pgvector reads it."""
    return json.dumps(vector.tolist())
