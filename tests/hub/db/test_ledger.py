"""What the ledger says of frames, cameras and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import uuid6
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, Select, text
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from(Outcome)), max_size=14))
@example([("a", 3, Outcome.PENDING), ("a", 3, Outcome.REJECTED), ("a", 5, Outcome.EMPTY)])
@example([("a", 3, Outcome.PENDING), ("a", 3, Outcome.RECOGNISED), ("b", 2, Outcome.PENDING)])
async def test_unseen_is_what_frame_after_frame_says(database: Database, day: list[tuple[str, int, Outcome]]) -> None:
    start, end = at(1), at(8)
    entered = [(replace(waiting(camera, seq), captured_at=at(t)), o) for seq, (camera, t, o) in enumerate(day)]
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM frames"))
        if entered:
            await enter(connection, [frame for frame, _ in entered])
        await ledger.conclude(
            connection, [verdict(frame, o) for frame, o in entered if o is not Outcome.PENDING], at(9)
        )
        found = await ledger.unseen(connection, ["a", "b"], start, end)
    expected: dict[str, list[Span]] = {}
    for camera, moment, outcome in sorted((camera, at(t), o) for camera, t, o in day):
        if outcome in (Outcome.PENDING, Outcome.REJECTED) and start <= moment <= end:
            later = [at(t) for one, t, o in day if one == camera and o in (Outcome.EMPTY, Outcome.RECOGNISED)]
            until = min((t for t in later if moment <= t <= end), default=end)
            expected.setdefault(camera, []).append(Span(moment, until))
    assert found == expected


class Recorder:
    """A connection that keeps what it was asked, and how many rows it gave."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.queries: list[Select[Any]] = []
        self.rows = 0
        self._connection = connection

    async def execute(self, query: Select[Any]) -> list[Row[Any]]:
        rows = list(await self._connection.execute(query))
        self.queries.append(query)
        self.rows += len(rows)
        return rows


async def test_one_frame_that_was_rejected_in_the_morning_does_not_have_the_day_read(database: Database) -> None:
    day = [waiting(camera, seq) for camera in "ab" for seq in range(60)]
    ends = {0: Outcome.REJECTED, 58: Outcome.PENDING, 59: Outcome.PENDING}
    async with database.write() as connection:
        await enter(connection, day)
        done = [verdict(frame, ends.get(frame.seq, Outcome.EMPTY)) for frame in day]
        await ledger.conclude(connection, [one for one in done if one.outcome is not Outcome.PENDING], at(70))
        recorder = Recorder(connection)
        found = await ledger.unseen(recorder, ["a", "b"], at(0), at(65))  # type: ignore[arg-type]
    missed = [Span(at(0), at(1)), Span(at(58), at(65)), Span(at(59), at(65))]
    assert found == {"a": missed, "b": missed}
    assert recorder.rows == 6


@pytest.mark.sqlite
async def test_those_that_wait_and_were_rejected_are_found_by_their_indices(database: Database) -> None:
    """SQLite uses such an index only while the statement spells the condition as the index does."""
    async with database.read() as connection:
        recorder = Recorder(connection)
        await ledger.watermarks(recorder)  # type: ignore[arg-type]
        await ledger.unseen(recorder, ["a", "b"], at(0), at(9))  # type: ignore[arg-type]
        waits, missed = [await plan(connection, query) for query in recorder.queries]
    assert "ix_frames_pending" in waits
    for name in ("ix_frames_pending", "ix_frames_rejected", "ix_frames_camera_captured_at"):
        assert f"{name} (camera=? AND captured_at>? AND captured_at<?)" in missed
    assert "SCAN frames" not in missed


async def plan(connection: AsyncConnection, query: Select[Any]) -> str:
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    nothing = (None,) * str(compiled).count("?")
    return str((await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", nothing)).all())
