"""Frames that cannot be recognised for days: they are removed, and nobody is absent for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hub.attendance.records import Status
from hub.inbox import InboxFull
from hub.pipeline.overdue import HOPELESS
from hub.pipeline.pipeline import PAUSE, Pipeline
from hub.plugin import Heartbeat, NotReady, Picture, RecognizerSpec, Sight
from hub.registers import Projector
from hub.settings import Keep
from tests.support import colours
from tests.support.context import ManualClock
from tests.support.services import NINE, Services, done, frame, recognising, services

KEEP = timedelta(days=3)
ENTERS = 120
"""Seconds after nine at which somebody is to be seen: the only frame of a lecture in which nothing moves."""


class Spent(colours.Colours):
    """Out of this month's calls, unless told otherwise."""

    spent = True

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        if self.spent:
            raise NotReady("the monthly cap is reached", hint="wait for the next month")
        return await super().analyse(pictures, mirror=mirror)


class Shaky(Spent):
    """Away whenever `away` says so of the number of the call; one that succeeds takes so many `seconds`."""

    def __init__(self, away: Callable[[int], bool], seconds: float = 0.0) -> None:
        super().__init__()
        self.away = away
        self.seconds = seconds
        self.clock = ManualClock()
        self.calls = 0

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        self.calls += 1
        self.spent = self.away(self.calls)
        if not self.spent:
            await self.clock.sleep(self.seconds)
        return await super().analyse(pictures, mirror=mirror)


@asynccontextmanager
async def school(folder: Path, recogniser: Spent) -> AsyncIterator[Services]:
    @asynccontextmanager
    async def opened(config: object, context: object) -> AsyncIterator[Spent]:
        yield recogniser

    spec = RecognizerSpec(name="spent", config_schema={}, open=opened)
    async with services(folder, recogniser=spec) as parts:
        await parts.enrol("ada", "bob")
        yield parts


@asynccontextmanager
async def waiting(folder: Path) -> AsyncIterator[tuple[Services, Spent, Pipeline]]:
    """A lecture that was watched throughout, and whose one frame waits."""
    recogniser = Spent()
    async with school(folder, recogniser) as parts, recognising(parts) as pipeline:
        await parts.inbox.accept("door", frame(1, "ada", seconds=ENTERS))
        beats = [Heartbeat(NINE + timedelta(seconds=seconds)) for seconds in range(-60, 3100, 20)]
        await asyncio.gather(*(parts.inbox.heartbeat("door", beat) for beat in beats))
        await tried(parts)
        yield parts, recogniser, pipeline


async def tried(parts: Services) -> None:
    """Waits until recognition has been tried anew, and has failed."""
    before = sum(slept == PAUSE for slept in parts.clock.slept)
    async with asyncio.timeout(10):
        while sum(slept == PAUSE for slept in parts.clock.slept) < before + 3:
            await asyncio.sleep(0.01)


async def hopeless(parts: Services) -> None:
    """Recognition has failed for so long that frames may be given up."""
    await tried(parts)
    await parts.clock.sleep(HOPELESS.total_seconds())


async def marked(parts: Services) -> dict[str, Status]:
    drawn = await parts.registers.of(NINE.date())
    return {mark.person: mark.status for mark in drawn.marks}


def files(folder: Path) -> list[Path]:
    return [place for place in (folder / "inbox").rglob("*") if place.is_file() and b"PNG" in place.read_bytes()]


async def test_what_waits_too_long_is_removed_and_nobody_is_absent_for_it(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (parts, _, _):
        nobody_knows = {"ada": Status.NOT_OBSERVED, "bob": Status.NOT_OBSERVED}
        assert await marked(parts) == nobody_knows, "while it waits, too"
        parts.clock.wall = NINE + KEEP  # the hub has it since the afternoon
        await parts.overdue.sweep()
        await tried(parts)
        assert (await parts.outcomes(), len(files(tmp_path))) == ({1: ("pending", "")}, 1)
        parts.clock.wall += timedelta(days=1)
        await hopeless(parts)
        await tried(parts)
        assert (await parts.outcomes(), len(files(tmp_path))) == ({1: ("pending", "")}, 1), "a clock may leap"
        await parts.overdue.sweep()
        await done(parts)
        reason = (
            "it has waited for more than 3 days (storage->keep->frames), and nothing of its camera could be recognised "
            "for 1 h"
        )
        assert (await parts.outcomes(), files(tmp_path)) == ({1: ("rejected", reason)}, [])
        assert await marked(parts) == nobody_knows


async def test_what_is_late_but_can_be_recognised_is(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (parts, recogniser, pipeline):
        async with pipeline.paused():
            recogniser.spent = False
            parts.clock.wall += 2 * KEEP
            await parts.overdue.sweep()
        await done(parts)
        assert await marked(parts) == {"ada": Status.PRESENT, "bob": Status.ABSENT}


async def test_what_cannot_be_noted_waits_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with waiting(tmp_path) as (parts, recogniser, pipeline):
        whole = parts.inbox.conclude

        async def full(conclusions: object) -> None:
            raise InboxFull("no room")

        monkeypatch.setattr(parts.inbox, "conclude", full)
        parts.clock.wall += 2 * KEEP
        await hopeless(parts)
        await parts.overdue.sweep()
        await tried(parts)
        async with pipeline.paused():
            monkeypatch.setattr(parts.inbox, "conclude", whole)
            recogniser.spent = False
        await done(parts)
        assert await marked(parts) == {"ada": Status.PRESENT, "bob": Status.ABSENT}


async def test_a_shorter_time_is_in_force_at_once(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (parts, _, _):
        sweeper = parts.sweeper(Projector(parts.registers, parts.clock), parts.clock)
        sweeper.keep(Keep(frames=timedelta(0)))
        sweeping = asyncio.create_task(sweeper.run())
        await hopeless(parts)
        await done(parts)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        assert [outcome for outcome, _ in (await parts.outcomes()).values()] == ["rejected"]


async def late(parts: Services, frames: int) -> None:
    """The hub was off for days with so many frames pending."""
    for seq in range(frames):
        await parts.inbox.accept("door", frame(seq, "ada"))
    parts.clock.wall += 2 * KEEP
    await parts.overdue.sweep()


@pytest.mark.parametrize("frames", [1, 30])
async def test_a_hub_that_was_off_for_days_loses_nothing_by_a_bad_start(tmp_path: Path, frames: int) -> None:
    recogniser = Shaky(lambda call: call <= 9)
    async with school(tmp_path, recogniser) as parts:
        await late(parts, frames)
        async with recognising(parts):
            await done(parts)
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        assert recogniser.calls > 9


async def test_a_backlog_that_is_worked_off_with_stumbles_loses_nothing(tmp_path: Path) -> None:
    """It takes hours, and all the while every second call fails."""
    recogniser = Shaky(lambda call: call % 2 == 1, seconds=600)
    async with school(tmp_path, recogniser) as parts:
        recogniser.clock = parts.clock
        await late(parts, 64)
        begun = parts.clock.monotonic()
        async with recognising(parts):
            await done(parts)
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        assert parts.clock.monotonic() - begun > HOPELESS.total_seconds()


async def test_what_is_given_up_is_left_alone_between_the_tries_too(tmp_path: Path) -> None:
    async with school(tmp_path, Shaky(lambda call: True)) as parts:
        await late(parts, 30)
        async with recognising(parts):
            await hopeless(parts)
            before = parts.clock.slept.count(PAUSE)
            await done(parts)
            async with asyncio.timeout(10):
                while parts.clock.slept.count(PAUSE) < before + 2:
                    await asyncio.sleep(0.01)
        assert {outcome for outcome, _ in (await parts.outcomes()).values()} == {"rejected"}
