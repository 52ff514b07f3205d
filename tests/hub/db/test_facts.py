"""What is known of frames that are forgotten."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub.db import facts, ledger
from hub.db.engine import Database
from hub.db.facts import Past

HIGHEST = 2**63 - 1
numbers = st.lists(st.integers(HIGHEST - 30, HIGHEST), unique=True, max_size=12)


def past(camera: str, epoch: int, seq: int, live: bool = False) -> Past:
    return Past("0" * 32, camera, epoch, seq, live)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2), numbers), max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_exactly_what_was_forgotten_is_remembered(
    database: Database, rounds: list[tuple[str, int, list[int]]]
) -> None:
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM forgotten_frames"))
        known: set[ledger.Number] = set()
        for camera, epoch, seqs in rounds:
            new = [(camera, epoch, seq) for seq in seqs if (camera, epoch, seq) not in known]
            await facts.forget(connection, [past(*number) for number in new])
            known.update(new)
        asked = [(c, e, s) for c in "ab" for e in (1, 2) for s in range(HIGHEST - 31, HIGHEST + 1)]
        assert await ledger.find(connection, asked) == dict.fromkeys(known)


async def test_numbers_that_follow_each_other_take_one_row(database: Database) -> None:
    async with database.write() as connection:
        for start in range(0, 1000, 100):
            await facts.forget(connection, [past("a", 1, start + n) for n in range(100)])
        assert (await connection.execute(text("SELECT first, last FROM forgotten_frames"))).all() == [(0, 999)]


async def test_live_frames_leave_nothing(database: Database) -> None:
    async with database.write() as connection:
        await facts.forget(connection, [past("a", 1, 1, live=True), past("a", 1, 2)])
        assert await ledger.find(connection, [("a", 1, 1), ("a", 1, 2)]) == {("a", 1, 2): None}
