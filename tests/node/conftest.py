"""A node's log, identity and link, against a small hub; no camera. Runs without the hub's packages, too."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from node.clock import BoardClock, HubTime
from node.link import Link, Phase
from node.log import Log, open_log
from node.pauses import Pauses
from node.session import SILENCE
from node.state import State
from node.wire import Health, Moment, Update
from tests.support.small_hub import SmallHub, small_hub

PATIENCE = 30.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is a folder for that: syncing costs nothing there."""
    memory = "/dev/shm"
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture
async def hub(folder: Path) -> AsyncIterator[SmallHub]:
    async with small_hub(folder / "hub") as hub:
        yield hub


class NoPauses(Pauses):
    """Connects again soon; the fault is to be met often, not politely."""

    def after(self, code: int | None) -> float:
        super().after(code)
        return 0.02


@dataclass
class StubBoard:
    software: str = "test 1"
    board: str = "table"
    obeyed: list[Mapping[str, Any]] = field(default_factory=list)
    identified: list[float] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    refuse: str = ""

    async def snapshot(self) -> tuple[Moment, bytes]:
        return BoardClock().now(), b"snapshot"

    async def obey(self, version: str, config: Mapping[str, Any]) -> None:
        if self.refuse:
            raise ValueError(self.refuse)
        self.obeyed.append(config)

    async def health(self) -> Health:
        return Health(1.0)

    def identify(self, seconds: float) -> None:
        self.identified.append(seconds)

    def offered(self, update: Update) -> None:
        self.updates.append(update)

    def heard(self) -> None:
        return


@dataclass
class Rig:
    """A node without a camera."""

    log: Log
    state: State
    link: Link
    board: StubBoard
    clock: BoardClock
    sent: int = 0

    async def frame(self, age: float = 0.0, moved: bool = True) -> bytes:
        self.sent += 1
        now = self.clock.now()
        at = Moment(now.wall - int(age * 1e6), now.mono - int(age * 1e6), now.boot)
        jpeg = b"\xff\xd8\xff" + b"%d" % self.sent + random.Random(self.sent).randbytes(20_000)
        await self.log.frame(at, jpeg, moved)
        return jpeg

    async def until(self, phase: Phase) -> None:
        await self.eventually(lambda: self.link.phase is phase)

    async def drained(self) -> None:
        """Until nothing waits any more."""
        async with asyncio.timeout(PATIENCE):
            while (await self.log.report()).entries:
                await asyncio.sleep(0.01)

    async def eventually(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)


async def nobody() -> list[tuple[str, int]]:
    return []


@asynccontextmanager
async def rigged(
    folder: Path,
    silence: float = SILENCE,
    discover: Callable[[], Awaitable[list[tuple[str, int]]]] = nobody,
    limit: int = 100_000_000,
) -> AsyncIterator[Rig]:
    folder.mkdir(exist_ok=True)
    clock, board, state = BoardClock(), StubBoard(), State(folder / "identity.json")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(folder / "spool", limit))
        link = Link(state, log, board, clock, HubTime(clock), discover=discover, pauses=NoPauses(), silence=silence)
        running = asyncio.create_task(link.run())
        try:
            yield Rig(log, state, link, board, clock)
        finally:
            running.cancel()
            ended = (await asyncio.gather(running, return_exceptions=True))[0]
            assert isinstance(ended, asyncio.CancelledError), ended


@pytest.fixture
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with rigged(folder / "node") as rig:
        yield rig


@pytest.fixture
async def paired(rig: Rig, hub: SmallHub) -> Rig:
    rig.link.invite(hub.invitation())
    await rig.until(Phase.CONNECTED)
    return rig
