"""The system's clock jumps while the hub runs: no frame is lost or counted twice, the register comes out the same."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hub.attendance.records import Rules
from hub.inbox import Pending
from hub.pipeline.backlog import Backlog
from hub.pipeline.pipeline import Pipeline
from hub.plugin import Heartbeat, SystemClock
from hub.registers import Projector
from hub.running import Hub, running
from hub.runtime.threads import DaemonPool
from tests.support.context import ManualClock
from tests.support.services import NINE, frame, services

MONDAY = date(2026, 11, 23)
AFTERNOON = NINE + timedelta(hours=5)
# Never to before the consent was given: then it does not stand, and nobody is recognised.
JUMPS = (
    AFTERNOON - timedelta(hours=1),
    NINE + timedelta(hours=2),
    AFTERNOON + timedelta(days=1),
    AFTERNOON + timedelta(minutes=1),
    datetime(2056, 2, 29, tzinfo=UTC),
    AFTERNOON,
)
CROP = re.compile(rb'"crops/[^"]+"')
"""Named for when it was stored, and at random: not the same in any two runs."""


class Jumping(SystemClock):
    """Real pauses; the wall clock is the test's."""

    def __init__(self, shown: ManualClock) -> None:
        self._shown = shown

    def now(self) -> datetime:
        return self._shown.wall


async def register(folder: Path, jumps: tuple[datetime, ...]) -> tuple[bytes, list[tuple[int, str | None]]]:
    """Monday's stored register, whatever its crops are called, and who was seen.

    The clock shows the next of `jumps` before each delivery.
    """
    folder.mkdir()
    async with services(folder, rules=Rules(gap=timedelta(minutes=3))) as parts:
        await parts.enrol("ada", "bob")
        clock, threads = Jumping(parts.clock), DaemonPool("pipeline")
        projector = Projector(parts.registers, clock)
        backlog: Backlog[Pending] = Backlog()
        pipeline = Pipeline(parts.inbox, backlog, parts.judge, parts.crops, threads, clock, projector.concluded)
        hub = Hub(parts.database, parts.inbox, backlog, pipeline, projector, parts.sweeper(projector, clock), clock)
        async with running(hub), asyncio.timeout(20):
            for seq in range(31):
                parts.clock.wall = jumps[seq % len(jumps)]
                if seq % 5 == 0:  # each of the jumps is among these
                    projector.look_again()
                    await projector.settle()
                await hub.deliver("door", frame(seq, *(["ada"] if seq == 5 else []), seconds=100 * seq))
            await hub.deliver("door", Heartbeat(NINE + timedelta(hours=1)))
            parts.clock.wall = AFTERNOON
            projector.look_again()
            await hub.drained()
        threads.close()
        for day in await parts.registers.days():
            derived = await parts.registers.derived(day)
            assert await parts.registers.stored(day) == derived, "what was concluded under a wrong clock is put right"
        assert {outcome for outcome, _ in (await parts.outcomes()).values()} == {"recognised", "empty"}
        return CROP.sub(b'"a crop"', await parts.registers.stored(MONDAY)), await parts.seen()


async def test_a_register_does_not_show_that_the_clock_jumped(tmp_path: Path) -> None:
    steady = await register(tmp_path / "steady", (AFTERNOON,))
    jumping = await register(tmp_path / "jumping", JUMPS)
    assert jumping[1] == steady[1] == [(5, "ada")]
    assert jumping[0] == steady[0]
