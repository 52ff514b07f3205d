"""What the ledger says of frames, cameras and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import uuid6
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.attendance.records import Span
from hub.db import ledger
from hub.db.engine import Database
from hub.db.ledger import Entry, Kind, Outcome, Pending, Verdict
from hub.plugin import Heartbeat
from tests.support.facts import at


def waiting(camera: str, seq: int, seconds: float | None = None, epoch: int = 1) -> Pending:
    moment = at(seq if seconds is None else seconds)
    return Pending(str(uuid6.uuid7()), camera, epoch, seq, Kind.IMAGE, moment, at(1000), False, "a.jpg")


async def enter(connection: AsyncConnection, frames: Sequence[Pending]) -> None:
    await ledger.add(connection, [Entry(frame, timedelta(), 10, "2026/27") for frame in frames])


def verdict(frame: Pending, outcome: Outcome) -> Verdict:
    return Verdict(frame.id, outcome, "because", 0, 0)


async def test_pending_frames_come_back_in_the_order_they_arrived(database: Database) -> None:
    frames = [waiting("b", 5), waiting("a", 2**63 - 1, 3), waiting("b", 1)]
    async with database.write() as connection:
        await enter(connection, frames)
        assert await ledger.pending(connection) == frames
        assert await ledger.count_pending(connection) == 3


async def test_a_frame_is_entered_once(database: Database) -> None:
    async with database.write() as connection:
        await enter(connection, [waiting("a", 1)])
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await enter(connection, [waiting("a", 1)])


async def test_frames_are_found_by_number_however_many(database: Database) -> None:
    frames = [waiting(camera, seq, 0, epoch) for camera in ("a", "b") for epoch in (1, 2) for seq in range(700)]
    known = {(frame.camera, frame.epoch, frame.seq): frame.id for frame in frames}
    asked = [(camera, epoch, seq) for camera in ("a", "c") for epoch in (1, 3) for seq in range(-5, 2000)]
    async with database.write() as connection:
        await enter(connection, frames)
        assert await ledger.find(connection, asked) == {key: known[key] for key in asked if key in known}
        assert await ledger.find(connection, known) == known
        many = [(f"camera {number}", 1, 1) for number in range(500)]
        assert await ledger.find(connection, many) == {}


async def test_a_verdict_is_written_once(database: Database) -> None:
    frame, other = waiting("a", 1), waiting("a", 2)
    async with database.write() as connection:
        await enter(connection, [frame, other])
        first = await ledger.conclude(connection, [verdict(frame, Outcome.EMPTY)], at(9))
        assert list(first) == [frame.id]
        assert first[frame.id].academic_year == "2026/27"
        again = await ledger.conclude(
            connection, [verdict(frame, Outcome.REJECTED), verdict(other, Outcome.EMPTY)], at(9)
        )
        assert list(again) == [other.id]
        assert await ledger.outcomes(connection) == {Outcome.EMPTY: 2}
        assert await ledger.pending(connection) == []


async def test_signals_are_frames_that_were_seen_and_heartbeats(database: Database) -> None:
    frames = {outcome: waiting("a", seq) for seq, outcome in enumerate(Outcome)}
    async with database.write() as connection:
        await enter(connection, [*frames.values(), waiting("other", 3)])
        ends = [verdict(frame, outcome) for outcome, frame in frames.items() if outcome is not Outcome.PENDING]
        await ledger.conclude(connection, ends, at(9))
        covered = Heartbeat(at(2.6), lens=0.0)
        await ledger.watched(
            connection, [("a", covered), ("a", Heartbeat(at(2.5), 0.1)), ("a", Heartbeat(at(1)))], at(9)
        )
        seen = [at(seq) for seq, outcome in enumerate(Outcome) if outcome is not Outcome.REJECTED]
        assert await ledger.signals(connection, ["a"], at(0), at(100)) == {"a": sorted({*seen, at(2.5), at(1)})}
        assert await ledger.signals(connection, ["a"], at(1), at(2.5)) == {"a": [at(1), at(2), at(2.5)]}
        both = await ledger.signals(connection, ["other", "nobody", "a"], at(3), at(3))
        assert both == {"other": [at(3)], "nobody": [], "a": [at(3)] * (at(3) in seen)}


async def test_unseen_is_the_time_from_a_frame_nobody_looked_at_to_one_that_somebody_did(database: Database) -> None:
    ends = {
        1: Outcome.EMPTY,
        2: Outcome.REJECTED,
        3: Outcome.SUPERSEDED,
        4: Outcome.PENDING,
        5: Outcome.RECOGNISED,
        6: Outcome.EMPTY,
        8: Outcome.REJECTED,
    }
    frames = {seq: waiting("a", seq) for seq in ends}
    async with database.write() as connection:
        await enter(connection, [*frames.values(), waiting("b", 3), waiting("other", 1)])
        done = [verdict(frames[seq], outcome) for seq, outcome in ends.items() if outcome is not Outcome.PENDING]
        await ledger.conclude(connection, done, at(9))
        await ledger.watched(connection, [("a", Heartbeat(at(2.5))), ("a", Heartbeat(at(9)))], at(9))
        assert await ledger.unseen(connection, ["a", "b", "c"], at(0), at(10)) == {
            "a": [Span(at(2), at(5)), Span(at(4), at(5)), Span(at(8), at(10))],
            "b": [Span(at(3), at(10))],
        }
        assert await ledger.unseen(connection, ["a"], at(5), at(7)) == {}
        assert await ledger.unseen(connection, [], at(0), at(10)) == {}


async def test_watermarks_only_rise_and_wait_for_recognition(database: Database) -> None:
    frame = waiting("a", 5)
    async with database.write() as connection:
        await ledger.watched(connection, [("a", Heartbeat(at(10))), ("b", Heartbeat(at(3)))], at(11))
        await ledger.watched(connection, [("a", Heartbeat(at(4))), ("b", Heartbeat(at(3)))], at(12))
        assert await ledger.watermarks(connection) == {"a": at(10), "b": at(3)}
        await enter(connection, [frame, replace(waiting("z", 1))])
        assert await ledger.watermarks(connection) == {"a": at(5), "b": at(3)}
        await ledger.conclude(connection, [verdict(frame, Outcome.EMPTY)], at(13))
        assert await ledger.watermarks(connection) == {"a": at(10), "b": at(3)}


@pytest.mark.sqlite
async def test_the_pending_index_is_used(database: Database) -> None:
    """SQLite uses it only while the statement spells the condition as the index does."""
    statements: list[str] = []

    class Recorder:
        async def execute(self, query: object) -> list[object]:
            compiled = query.compile(  # type: ignore[attr-defined]
                dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
            )
            statements.append(str(compiled))
            return []

    async with database.read() as connection:
        await ledger.watermarks(Recorder())  # type: ignore[arg-type]
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0]}")).all()
    assert any("ix_frames_pending" in str(step) for step in plan), plan
