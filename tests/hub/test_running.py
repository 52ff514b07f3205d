"""The hub's parts at work together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.db import attendance, ledger
from hub.db.errors import DatabaseError
from hub.inbox import Pending
from hub.pipeline.backlog import Backlog
from hub.pipeline.pipeline import Pipeline
from hub.plugin import Burst, Heartbeat, SystemClock
from hub.registers import Projector
from hub.running import Hub, running
from hub.runtime.threads import DaemonPool
from hub.sweeping import ORPHANS
from tests.support.services import NINE, Services, frame, services, until

MONDAY = date(2026, 11, 23)


@asynccontextmanager
async def hub(parts: Services) -> AsyncIterator[Hub]:
    """Its pauses are real, its wall clock is the test's."""
    threads = DaemonPool("pipeline")
    projector = Projector(parts.registers, SystemClock())
    backlog: Backlog[Pending] = Backlog()
    pipeline = Pipeline(parts.inbox, backlog, parts.judge, parts.crops, threads, SystemClock(), projector.concluded)
    sweeper = parts.sweeper(projector, SystemClock())
    made = Hub(parts.database, parts.inbox, backlog, pipeline, projector, sweeper, SystemClock())
    async with running(made):
        yield made
    threads.close()


async def statuses(parts: Services) -> dict[str, str]:
    async with parts.database.read() as connection:
        return {mark.person: str(mark.status) for mark in await attendance.marks_of(connection, str(MONDAY))}


async def test_what_is_delivered_is_recognised_and_shown_by_the_register(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        async with hub(parts) as made:
            for seq in range(101):
                await made.deliver("door", frame(seq, *(["ada"] if seq == 5 else []), seconds=30 * seq))
            await made.deliver("door", Heartbeat(NINE + timedelta(hours=1)))
            async with asyncio.timeout(20):
                await made.drained()
            assert await statuses(parts) == {"ada": "present", "bob": "absent"}
            assert await parts.registers.derived(MONDAY) == await parts.registers.stored(MONDAY)


async def test_a_burst_is_kept_whole_before_its_heartbeat_holds(tmp_path: Path) -> None:
    until_then = NINE + timedelta(hours=1)
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        async with hub(parts) as made:
            frames = [frame(seq, "ada", seconds=seq) for seq in range(8)]
            with pytest.raises(ValueError, match="is not a number"):
                await made.deliver("door", Burst((Heartbeat(until_then), *frames, replace(frames[0], seq=2**63))))
            async with parts.database.read() as connection:
                assert await ledger.watermarks(connection) == {}
            await made.deliver("door", Burst((Heartbeat(until_then), *frames)))
            async with asyncio.timeout(20):
                await made.drained()
            async with parts.database.read() as connection:
                assert await ledger.watermarks(connection) == {"door": until_then}
        assert len(await parts.seen()) == 8


async def test_a_camera_ahead_of_recognition_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        async with hub(parts) as made:
            async with asyncio.timeout(20):
                for seq in range(60):
                    await made.deliver("door", frame(seq, "ada"))
                await made.drained()
        assert len(await parts.seen()) == 60


async def test_a_part_that_fails_ends_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:

        async def broken(projector: Projector) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(Projector, "run", broken)
        async with hub(parts) as made:
            with pytest.raises(ZeroDivisionError):
                async with asyncio.timeout(5):
                    await made.broken()


async def test_a_new_hub_sweeps_what_lapsed_while_it_was_off(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", expires=parts.clock.now() + timedelta(days=1))
        async with hub(parts) as made:
            await made.deliver("door", frame(1, "ada"))
            await made.drained()
        lost = await parts.crops.put(b"its hub was killed here", NINE)
        assert lost.key in await parts.stored()
        parts.clock.wall += timedelta(days=2)

        async def clean() -> bool:
            return await parts.stored() == []

        async with hub(parts):
            await until(clean)
        assert await parts.gallery.search([[1, 0, 0]], 1) == [[]]  # type: ignore[arg-type]


async def test_a_sweep_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        swept: list[str] = []

        def part(name: str, failing: bool) -> Any:
            async def sweep(*of: object) -> int:
                swept.append(name)
                if failing and swept.count(name) == 1:
                    raise DatabaseError("not now")
                return 0

            return sweep

        monkeypatch.setattr(type(parts.crops), "sweep", part("expired", True))
        monkeypatch.setattr(type(parts.crops), "sweep_orphans", part("orphans", False))
        monkeypatch.setattr("hub.sweeping.SWEEP", timedelta(milliseconds=1))
        async with hub(parts):
            async with asyncio.timeout(10):
                while swept.count("expired") <= 2 * ORPHANS:
                    await asyncio.sleep(0.01)
        assert 1 <= swept.count("orphans") <= 3
