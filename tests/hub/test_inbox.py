"""The durable door: once and only once, nothing half-written, one commit for many."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from hub.db import consent, ledger, observations, outbox, people
from hub.db.engine import Database, open_database
from hub.db.people import Person
from hub.detections import unpack
from hub.inbox import Accepted, Conclusion, Crop, Inbox, InboxFull, InboxUnavailable, Kind, Outcome, open_inbox
from hub.plugin import Box, Detections, Face, Heartbeat, NotFound, Quality
from hub.recognition.consent import Consent
from tests.support.facts import SetClock, at, face, frame, inbox_in, url_of


@pytest_asyncio.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Database, Inbox]]:
    async with inbox_in(tmp_path) as both:
        yield both


def files(folder: Path) -> set[str]:
    return {file.name for file in (folder / "inbox").iterdir()}


async def rows(database: Database) -> list[tuple[str, int, int, str]]:
    async with database.read() as connection:
        found = await connection.execute(text("SELECT camera, epoch, seq, outcome FROM frames ORDER BY 1, 2, 3"))
        return [tuple(row) for row in found]


async def test_an_accepted_frame_is_on_disk_and_in_the_ledger(opened: tuple[Database, Inbox], tmp_path: Path) -> None:
    database, inbox = opened
    sent = replace(frame(7), skew=timedelta(seconds=2), live=True, origin="tür\udcff.jpg")
    accepted = await inbox.accept("door", sent)
    assert not accepted.duplicate
    assert files(tmp_path) == {accepted.frame_id}
    assert await inbox.read(accepted.frame_id) == sent.image
    (waiting,) = await inbox.arrived()
    assert waiting.id == accepted.frame_id
    assert (waiting.camera, waiting.epoch, waiting.seq, waiting.kind) == ("door", 1, 7, Kind.IMAGE)
    assert waiting.captured_at == sent.captured_at - timedelta(seconds=2)
    assert (waiting.live, waiting.origin) == (True, "tür\\udcff.jpg")
    async with database.read() as connection:
        assert await ledger.pending(connection) == [waiting]
        row = (await connection.execute(text("SELECT skew_ms, bytes, academic_year FROM frames"))).one()
    assert tuple(row) == (2000, len(sent.image), "2026/27")


async def test_the_same_frame_again_is_a_duplicate_even_when_it_is_concluded(
    opened: tuple[Database, Inbox], tmp_path: Path
) -> None:
    database, inbox = opened
    first = await inbox.accept("door", frame(1))
    again = await asyncio.gather(*(inbox.accept("door", frame(1)) for _ in range(5)))
    assert again == [Accepted(first.frame_id, duplicate=True)] * 5
    assert files(tmp_path) == {first.frame_id}
    await inbox.conclude([Conclusion(first.frame_id, Outcome.EMPTY)])
    assert await inbox.accept("door", frame(1)) == Accepted(first.frame_id, duplicate=True)
    assert files(tmp_path) == set()
    assert await rows(database) == [("door", 1, 1, "empty")]
    assert len(await inbox.arrived()) == 1


async def test_copies_delivered_at_the_same_moment_are_one_frame(
    opened: tuple[Database, Inbox], tmp_path: Path
) -> None:
    _, inbox = opened
    results = await asyncio.gather(*(inbox.accept("door", frame(1)) for _ in range(20)))
    assert sorted(result.duplicate for result in results) == [False] + [True] * 19
    assert {result.frame_id for result in results} == files(tmp_path)


deliveries = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 6)), max_size=12), max_size=6
)


@given(deliveries)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_repetition_and_batching_give_the_same_ledger(
    opened: tuple[Database, Inbox], tmp_path: Path, batches: list[list[tuple[str, int, int]]]
) -> None:
    database, inbox = opened
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM frames"))
    for file in (tmp_path / "inbox").iterdir():
        file.unlink()
    new = []
    for batch in batches:
        sent = (inbox.accept(camera, frame(seq, epoch=epoch)) for camera, epoch, seq in batch)
        for number, result in zip(batch, await asyncio.gather(*sent), strict=True):
            new += [] if result.duplicate else [(number, result.frame_id)]
    numbers = {number for batch in batches for number in batch}
    assert sorted(number for number, _ in new) == sorted(numbers)
    assert await rows(database) == [(*number, "pending") for number in sorted(numbers)]
    assert files(tmp_path) == {frame_id for _, frame_id in new}


async def test_concurrent_deliveries_share_transactions(opened: tuple[Database, Inbox]) -> None:
    database, inbox = opened
    commits = 0

    def count(connection: object) -> None:
        nonlocal commits
        commits += 1

    assert database._writer is not None
    event.listen(database._writer.sync_engine, "commit", count)
    sent = [inbox.accept(f"camera {number % 7}", frame(number)) for number in range(100)]
    beats = [inbox.heartbeat(f"camera {number % 7}", Heartbeat(at(number))) for number in range(50)]
    await asyncio.gather(*sent, *beats)
    assert commits <= 3
    assert len(await rows(database)) == 100


async def test_numbers_beyond_63_bits_are_refused(opened: tuple[Database, Inbox]) -> None:
    _, inbox = opened
    assert not (await inbox.accept("door", frame(2**63 - 1, epoch=2**63 - 1, seconds=0))).duplicate
    for wrong in (frame(2**63, seconds=0), frame(-1), frame(1, epoch=-1)):
        with pytest.raises(ValueError, match="is not a number between 0 and"):
            await inbox.accept("door", wrong)
    assert await inbox.acknowledged("door", 2**63 - 1, [2**63 - 1, 2**63, -1]) == {2**63 - 1}


async def test_what_is_acknowledged(opened: tuple[Database, Inbox]) -> None:
    _, inbox = opened
    await asyncio.gather(*(inbox.accept("door", frame(seq)) for seq in range(0, 20, 2)))
    assert await inbox.acknowledged("door", 1, range(10)) == {0, 2, 4, 6, 8}
    assert await inbox.acknowledged("door", 2, range(10)) == frozenset()
    assert await inbox.acknowledged("other", 1, range(10)) == frozenset()


async def test_detections_are_kept_like_frames(opened: tuple[Database, Inbox]) -> None:
    _, inbox = opened
    seen = Face(Box(1, 2, 3, 4), 0.9, Quality(3, 50), np.arange(4, dtype=np.float32))
    detections = Detections(1, 1, at(1), "model", (seen,))
    accepted = await inbox.accept("node", detections)
    assert (await inbox.accept("node", detections)).duplicate
    (waiting,) = await inbox.arrived()
    assert waiting.kind is Kind.DETECTIONS
    model, (back,) = unpack(await inbox.read(accepted.frame_id))
    assert (model, back.box) == ("model", seen.box)


async def test_heartbeats_move_the_watermark(opened: tuple[Database, Inbox]) -> None:
    database, inbox = opened
    await asyncio.gather(*(inbox.heartbeat("door", Heartbeat(at(second))) for second in (3, 1, 3, 2)))
    async with database.read() as connection:
        assert await ledger.watermarks(connection) == {"door": at(3)}
        assert await ledger.signals(connection, ["door"], at(0), at(9)) == {"door": [at(1), at(2), at(3)]}


async def test_concluding_stores_everything_and_removes_the_file(
    opened: tuple[Database, Inbox], tmp_path: Path
) -> None:
    database, inbox = opened
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("refused", "Bob"))
        await consent.append(connection, person="1", signer="x", state=Consent.GRANTED, at=at(0))
        await consent.append(connection, person="refused", signer="x", state=Consent.REFUSED, at=at(0))
    known = await inbox.accept("door", frame(1))
    empty = await inbox.accept("door", frame(2))
    crop, theirs = Crop("crops/a.jpg", at(5), at(500)), Crop("crops/b.jpg", at(5), at(500))
    done = [
        Conclusion(
            known.frame_id,
            Outcome.RECOGNISED,
            observations=(face("1", crop=crop), face(), face("erased"), face("refused", crop=theirs)),
            too_small=2,
        ),
        Conclusion(empty.frame_id, Outcome.EMPTY),
    ]
    assert await inbox.conclude(done) == {known.frame_id, empty.frame_id}
    assert files(tmp_path) == set()
    async with database.read() as connection:
        (seen,) = await observations.between(connection, at(0), at(100))
        told = await outbox.after(connection, 0, 10)
        counts = (await connection.execute(text("SELECT faces, too_small FROM frames ORDER BY seq"))).all()
        unknown = (
            await connection.execute(text("SELECT count(*) FROM observations WHERE person IS NULL AND NOT alone"))
        ).scalar()
        assert (await connection.execute(text("SELECT key FROM crops"))).scalars().all() == ["crops/a.jpg"]
    assert (seen.captured_at, seen.camera, seen.person, seen.crop) == (at(1), "door", "1", "crops/a.jpg")
    assert seen.id == observations.observation_id(known.frame_id, 0)
    assert [tuple(row) for row in counts] == [(4, 2), (0, 0)]
    assert unknown == 3
    assert [(one.payload["frame"], one.payload["outcome"]) for one in told] == [
        (known.frame_id, "recognised"),
        (empty.frame_id, "empty"),
    ]
    assert told[0].payload["observations"][0] == seen.id


async def test_concluding_twice_changes_nothing(opened: tuple[Database, Inbox]) -> None:
    database, inbox = opened
    accepted = await inbox.accept("door", frame(1))
    twice = [Conclusion(accepted.frame_id, Outcome.RECOGNISED, observations=(face(),))] * 2
    assert await inbox.conclude(twice) == {accepted.frame_id}
    assert await inbox.conclude(twice) == frozenset()
    assert await inbox.conclude([Conclusion(accepted.frame_id, Outcome.REJECTED)]) == frozenset()
    assert await rows(database) == [("door", 1, 1, "recognised")]
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM observations"))).scalar() == 1
        assert await outbox.last(connection) == 1


async def test_a_start_brings_back_what_waited_and_makes_disk_and_ledger_agree(tmp_path: Path) -> None:
    async with inbox_in(tmp_path) as (_, inbox):
        waits, lost, done = [(await inbox.accept("door", frame(seq))).frame_id for seq in range(3)]
        await inbox.conclude([Conclusion(done, Outcome.EMPTY)])
    (tmp_path / "inbox" / lost).unlink()
    (tmp_path / "inbox" / done).write_bytes(b"left behind")
    (tmp_path / "inbox" / waits.replace("0", "1")).write_bytes(b"never acknowledged")
    async with inbox_in(tmp_path) as (database, inbox):
        assert [pending.id for pending in await inbox.arrived()] == [waits]
        assert files(tmp_path) == {waits}
        assert await rows(database) == [
            ("door", 1, 0, "pending"),
            ("door", 1, 1, "rejected"),
            ("door", 1, 2, "empty"),
        ]
        async with database.read() as connection:
            reason = await connection.execute(text("SELECT reason FROM frames WHERE outcome = 'rejected'"))
            assert reason.scalar() == "its file was lost"
        with pytest.raises(NotFound, match=f"the file of frame {lost}"):
            await inbox.read(lost)


async def test_a_full_disk_refuses_only_what_does_not_fit(
    opened: tuple[Database, Inbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, inbox = opened
    written = os.write

    def nearly_full(file: int, data: memoryview) -> int:
        if b"image 1 3" in bytes(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(file, data)

    with monkeypatch.context() as full:
        full.setattr(os, "write", nearly_full)
        sent = [inbox.accept("door", frame(seq)) for seq in (1, 2, 3, 3, 4)]
        results = await asyncio.gather(*sent, return_exceptions=True)
    refused = [isinstance(result, InboxFull) for result in results]
    assert refused == [False, False, True, True, False]
    assert "no room left" in str(results[2])
    assert len(files(tmp_path)) == 3
    assert await inbox.acknowledged("door", 1, range(9)) == {1, 2, 4}
    assert not (await inbox.accept("door", frame(3))).duplicate
    assert len(await rows(database)) == 4


async def test_several_are_kept_together_and_what_was_is_no_second_frame(
    opened: tuple[Database, Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, inbox = opened
    flushed = os.fsync
    failing = [True, False, False]

    def flaky(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode) and failing and failing.pop():
            raise OSError(errno.ENOSPC, "No space left on device")
        flushed(file)

    frames = [frame(seq) for seq in (1, 2, 3)]
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", flaky)
        with pytest.raises(InboxFull, match="no room left"):
            await inbox.accept_all("door", frames)
    assert [done.duplicate for done in await inbox.accept_all("door", frames)].count(True) == 2
    assert await rows(database) == [("door", 1, seq, "pending") for seq in (1, 2, 3)]


@pytest.mark.sqlite
async def test_a_full_database_keeps_nothing_and_recovers(opened: tuple[Database, Inbox], tmp_path: Path) -> None:
    database, inbox = opened
    waits = await inbox.accept("door", frame(0))
    async with database.write() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    big = [inbox.accept("door", frame(seq, origin="x" * 5000)) for seq in range(1, 40)]
    results = await asyncio.gather(*big, return_exceptions=True)
    assert all(isinstance(result, InboxFull) for result in results)
    many = tuple(face() for _ in range(300))
    with pytest.raises(InboxFull):
        await inbox.conclude([Conclusion(waits.frame_id, Outcome.RECOGNISED, observations=many)])
    assert files(tmp_path) == {waits.frame_id}
    async with database.write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert not (await inbox.accept("door", frame(1))).duplicate
    assert await rows(database) == [("door", 1, 0, "pending"), ("door", 1, 1, "pending")]


async def test_an_inbox_that_cannot_be_written_says_so(
    opened: tuple[Database, Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, inbox = opened

    def broken(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", broken)
        with pytest.raises(InboxUnavailable, match="cannot be written: Input/output error"):
            await inbox.accept("door", frame(1))
    assert not (await inbox.accept("door", frame(1))).duplicate


async def test_a_cancelled_delivery_disturbs_nobody(opened: tuple[Database, Inbox]) -> None:
    _, inbox = opened
    tasks = [asyncio.create_task(inbox.accept("door", frame(seq))) for seq in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert all(isinstance(result, Accepted) for index, result in enumerate(results) if index != 3)


async def test_closing_finishes_what_is_on_its_way(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        async with open_inbox(database, tmp_path / "inbox", SetClock()) as inbox:
            tasks = [asyncio.create_task(inbox.accept("door", frame(seq))) for seq in range(600)]
            await asyncio.sleep(0)
        assert not any(result.duplicate for result in await asyncio.gather(*tasks))
        with pytest.raises(InboxUnavailable, match="the hub is stopping"):
            await inbox.accept("door", frame(1000))
        assert len(await rows(database)) == 600
