"""The gallery searched in memory against the same searched by PostgreSQL with pgvector, and what both find.

The first search of each round is that after a change, before which memory loads everybody anew. Templates are random,
of the default pack's dimension. Server and hub share the machine: `others` is the server, too.
"""

from __future__ import annotations

import asyncio

import numpy as np

from hub.db.engine import Database, open_database
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.members import CANDIDATES
from tests.support import postgres
from tests.support.facts import SetClock, at
from tests.support.galleries import enrol_many, with_pgvector

from .measure import Rounds, report

PEOPLE = (2000, 20_000)
FACES = (1, 10)
SEARCHES = 3
"""Searches that make one value."""
DIMENSION = 128
MODEL = "bench"


def run(full: bool = False) -> None:
    try:
        for people in PEOPLE:
            asyncio.run(_compare(people, 25 if full else 5))
    finally:
        postgres.finish()


async def _compare(people: int, rounds: int) -> None:
    chance = np.random.default_rng(people)
    matrix = (chance.normal(size=(people, DIMENSION)) / DIMENSION**0.5).astype(np.float32)
    url = with_pgvector(postgres.empty_database(f"bench{people}"))
    async with open_database(url) as pgvector, open_database(url, read_only=True) as memory:
        async with pgvector.write() as connection:
            await enrol_many(connection, [f"{number:06}" for number in range(people)], matrix, MODEL)
        memory.searches = False
        databases = {"memory": memory, "pgvector": pgvector}
        probes = matrix[:: people // max(FACES)] + chance.normal(size=(max(FACES), DIMENSION)) / 50
        await _round(databases, probes, Rounds())
        measured = Rounds()
        alike = [await _round(databases, probes, measured) for _ in range(rounds)]
    times = measured.times
    report(
        "vectors",
        people=people,
        found_alike=all(alike),
        **{
            f"pgvector_to_memory_{case}": round(times.ratio(f"pgvector {case}", to=f"memory {case}"), 2)
            for case in ("after_a_change", *(f"{faces}_at_once" for faces in FACES))
        },
        **{f"{name}_ms".replace(" ", "_"): round(1000 * times.median(name), 2) for name in times.taken},
        others=times.others,
    )


async def _round(databases: dict[str, Database], probes: np.ndarray, measured: Rounds) -> bool:
    """Whether both found the same, and as many as were asked for."""
    found = []
    for name, database in databases.items():
        await asyncio.to_thread(measured.wait)
        keeper = GalleryKeeper(database, MODEL, "euclidean", SetClock(at(1)))
        with measured.turn(f"{name} after_a_change"):
            await keeper.search(probes[:1], CANDIDATES)
        for faces in FACES:
            with measured.turn(f"{name} {faces}_at_once", SEARCHES):
                for _ in range(SEARCHES):
                    last = await keeper.search(probes[:faces], CANDIDATES)
        found.append(last)
    return found[0] == found[1] and all(len(candidates) == CANDIDATES for candidates in found[0])
