"""The running hub's own PluginContext for tests of single plugins, with a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.plugin import Clock, PluginContext, SystemClock
from hub.runtime.context import Acknowledged, Context, Surroundings, closing, nothing_acknowledged
from hub.runtime.threads import DaemonPool


class ManualClock:
    """Stands still until somebody sleeps or sets `wall`; `while_asleep` is called at each sleep."""

    def __init__(self, wall: datetime = datetime(2026, 11, 23, 9, tzinfo=UTC)) -> None:
        self.wall = wall
        self.slept: list[float] = []
        self.while_asleep: Callable[[], None] = lambda: None
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._monotonic += seconds
        self.wall += timedelta(seconds=seconds)
        self.while_asleep()
        await asyncio.sleep(0)


class Ledger:
    """Remembers what was acknowledged and what was asked."""

    def __init__(self) -> None:
        self.held: set[tuple[int, int]] = set()
        self.everything = False
        self.asked: list[int] = []

    async def __call__(self, camera: str, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        self.asked.append(len(seqs))
        return frozenset(seq for seq in seqs if self.everything or (epoch, seq) in self.held)


@asynccontextmanager
async def make_context(
    tmp_path: Path,
    *,
    clock: Clock | None = None,
    instance_id: str = "lobby",
    zone: str = "Europe/Berlin",
    acknowledged: Acknowledged = nothing_acknowledged,
) -> AsyncIterator[PluginContext]:
    """`tmp_path` is where relative paths start; data is kept in `tmp_path/data`."""
    around = Surroundings(tmp_path / "data", tmp_path, ZoneInfo(zone), clock or SystemClock())
    pool = DaemonPool(instance_id)
    folder = around.folder_of("cameras", instance_id)
    try:
        async with closing(Context(instance_id, folder, around, pool, lambda message: None, acknowledged)) as context:
            yield context
    finally:
        pool.close()
