"""Facts go when their time is over; what they led to stays, and nothing counts twice for that."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.attendance.records import Rules
from hub.attendance.timetable import Weekly
from hub.db import facts
from hub.plugin import Frame, Heartbeat, StorageFull, SystemClock
from hub.registers import Projector, Registers
from hub.settings import Keep
from plugins.cameras import folder
from tests.support.context import make_context
from tests.support.fras import save
from tests.support.services import MATHS, NINE, ZONE, Services, frame, recognised, services, until

MONDAY = date(2026, 11, 23)
TUESDAY = MONDAY + timedelta(days=1)
KEEP = timedelta(days=180)
DAY = timedelta(days=1)


def film(days: int = 0, first: int = 0) -> list[Frame]:
    """A frame each minute of the lecture `days` after Monday's; Ada is in the fourth."""
    return [
        frame(first + n, *(["ada"] if n == 3 else []), seconds=60 * n + days * DAY.total_seconds()) for n in range(51)
    ]


async def taken(parts: Services, *films: list[Frame]) -> None:
    """Films, each delivered on its day, and their registers."""
    for shots in films:
        parts.clock.wall = shots[-1].captured_at + timedelta(hours=4)
        await parts.inbox.heartbeat("door", Heartbeat(shots[-1].captured_at + timedelta(minutes=1)))
        await recognised(parts, shots)
    await Projector(parts.registers, parts.clock).settle()


async def count(parts: Services, *tables: str) -> list[int]:
    async with parts.database.read() as connection:
        return [(await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() for table in tables]


FACTS = ("frames", "observations", "heartbeats", "sightings", "crops")


async def test_facts_go_and_marks_stay(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        await taken(parts, film(), film(days=1, first=60))
        marks = (await parts.registers.of(MONDAY)).marks
        tuesday = await parts.registers.of(TUESDAY)
        assert {mark.status for mark in marks} == {"present", "absent"}
        parts.clock.wall = NINE + KEEP
        assert await parts.retention.sweep() == 0, "Monday is not over for long enough"
        parts.clock.wall += DAY
        assert await parts.retention.sweep() == 1
        assert await count(parts, *FACTS) == [51, 1, 1, 1, 1]
        assert await parts.registers.frozen() == {MONDAY}
        kept = (await parts.registers.of(MONDAY)).marks
        assert [mark.why for mark in kept] == [mark.why for mark in marks]
        assert [mark.crop for mark in kept] == [None, None]
        assert await parts.registers.of(TUESDAY) == tuesday
        for day in (MONDAY, TUESDAY):
            assert await parts.registers.derived(day) == await parts.registers.stored(day)
        await parts.registers.rebuild()
        assert (await parts.registers.of(MONDAY)).marks == kept
        parts.clock.wall += DAY
        assert await parts.retention.sweep() == 1
        assert await count(parts, *FACTS) == [0] * 5
        assert await parts.stored() == []
        assert await parts.retention.sweep() == 0


async def test_what_is_forgotten_is_not_taken_again(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await taken(parts, film())
        await parts.inbox.accept("door", frame(200, live=True, seconds=30))
        await recognised(parts, [])
        parts.clock.wall = NINE + KEEP + DAY
        await parts.retention.sweep()
        assert await parts.inbox.acknowledged("door", 1, range(-5, 300)) == set(range(51))
        again = await parts.inbox.accept("door", frame(5))
        assert (again.frame_id, again.duplicate) == (None, True)
        new = await parts.inbox.accept("door", frame(51))
        assert new.frame_id is not None
        assert not new.duplicate
        assert await count(parts, "frames", "forgotten_frames") == [1, 1]
        assert len(list((tmp_path / "inbox").iterdir())) == 1


async def test_a_watched_folder_hands_nothing_old_in_again(tmp_path: Path) -> None:
    (spec,) = folder.fras_plugins()
    (tmp_path / "incoming").mkdir()
    for number in range(5):
        save(tmp_path / "incoming" / f"{number}.png", "ada")

    async def handed_in(parts: Services) -> int:
        async with make_context(tmp_path, instance_id="door", acknowledged=parts.inbox.acknowledged) as context:
            config = {"path": "incoming", "mode": "once", "every": timedelta(seconds=1)}
            async with spec.open(config, context) as camera, aclosing(camera.events()) as events:
                frames = [event async for event in events if isinstance(event, Frame)]
        await recognised(parts, frames)
        return len(frames)

    async with services(tmp_path) as parts:
        parts.clock.wall = datetime.now(UTC)
        assert await handed_in(parts) == 5
        parts.clock.wall += KEEP + 2 * DAY
        await parts.retention.sweep()
        assert await count(parts, "frames") == [0]
        assert await handed_in(parts) == 0
        save(tmp_path / "incoming" / "new.png", "ada")
        assert await handed_in(parts) == 1


async def test_an_old_recording_stays_as_long_as_one_of_today(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        parts.clock.wall = NINE + timedelta(days=1000)
        await recognised(parts, film())
        await Projector(parts.registers, parts.clock).settle()
        assert await parts.retention.sweep() == 0
        assert [str(mark.status) for mark in (await parts.registers.of(MONDAY)).marks] == ["present"]
        parts.clock.wall += KEEP + DAY
        assert await parts.retention.sweep() == 1


async def test_what_waits_to_be_recognised_stays(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.inbox.accept("door", frame(1))
        parts.clock.wall += 2 * KEEP
        assert await parts.retention.sweep() == 0
        await recognised(parts, [])
        assert await parts.retention.sweep() == 1


async def test_a_lecture_past_midnight_keeps_its_facts_as_long_as_its_day_is_derived(tmp_path: Path) -> None:
    night = Weekly("10A", "Astronomy", "101", frozenset({0}), time(23, 30), time(0, 30))
    async with services(tmp_path) as parts:
        parts.registers.follow([night], {"door": "101"}, Rules())
        await parts.enrol("ada")
        after_midnight = (datetime(2026, 11, 23, 23, 10, tzinfo=UTC) - NINE).total_seconds()
        await taken(parts, [frame(1, "ada", seconds=after_midnight)])
        (mark,) = (await parts.registers.of(MONDAY)).marks
        assert mark.sightings == 1
        parts.clock.wall = NINE + KEEP + DAY
        assert await parts.retention.sweep() == 0, "Tuesday's facts are Monday's, too"
        parts.clock.wall += DAY
        assert await parts.retention.sweep() == 1
        assert await count(parts, *FACTS) == [0] * 5
        assert [one.why for one in (await parts.registers.of(MONDAY)).marks] == [mark.why]


async def test_a_sweep_that_is_cut_short_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "BATCH", 7)
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await taken(parts, film())
        parts.clock.wall = NINE + KEEP + DAY
        remove, tries = parts.crops.remove, 0

        async def sometimes(keys: list[str]) -> None:
            nonlocal tries
            tries += 1
            if tries == 3:
                raise StorageFull("not now")
            await remove(keys)

        monkeypatch.setattr(parts.crops, "remove", sometimes)
        with pytest.raises(StorageFull):
            await parts.retention.sweep()
        assert await count(parts, "frames") == [51 - 14]
        assert await parts.registers.frozen() == {MONDAY}
        assert await parts.retention.sweep() == 0
        assert await count(parts, *FACTS) == [0] * 5
        assert await parts.inbox.acknowledged("door", 1, range(100)) == set(range(51))


@pytest.mark.sqlite
async def test_nothing_of_it_can_be_read_from_the_files(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        parts.registers.follow([MATHS], {"door": "101"}, Rules())
        await parts.inbox.accept("door", Frame(1, 1, NINE, b"x", origin="Ada Byron.jpg"))
        await recognised(parts, [])
        written = lambda: b"".join(file.read_bytes() for file in tmp_path.glob("fras.db*"))  # noqa: E731
        assert b"Ada Byron.jpg" in written()
        parts.clock.wall += KEEP + 2 * DAY
        assert await parts.retention.sweep() == 1
        await parts.database.forget_log()
        assert b"Ada Byron.jpg" not in written()
        assert (tmp_path / "fras.db-wal").stat().st_size == 0


async def test_a_clock_that_leaps_ahead_costs_nothing(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await taken(parts, film())
        begun, pauses = parts.clock.wall, iter([timedelta(days=9000), timedelta(0)])
        swept = asyncio.Event()

        def leap() -> None:
            """Once ahead, an hour later back again; then it is time to look."""
            ahead = next(pauses, None)
            if ahead is None:
                swept.set()
            else:
                parts.clock.wall = begun + ahead

        parts.clock.while_asleep = leap
        sweeper = parts.sweeper(Projector(parts.registers, parts.clock), parts.clock)
        task = asyncio.create_task(sweeper.run())
        await asyncio.wait_for(swept.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await count(parts, "frames", "crops") == [51, 1]


async def test_a_shorter_time_is_in_force_at_once(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await taken(parts, film())
        parts.clock.wall += timedelta(days=8)
        sweeper = parts.sweeper(Projector(parts.registers, parts.clock), SystemClock())
        task = asyncio.create_task(sweeper.run())
        await asyncio.sleep(0.1)
        assert await count(parts, "frames", "crops") == [51, 1]

        async def gone() -> bool:
            return await count(parts, "frames", "crops") == [0, 0]

        sweeper.keep(Keep(crops=timedelta(days=7), facts=timedelta(days=7)))
        await until(gone)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_days_own_facts_are_all_facts_once() -> None:
    rules = Rules(early=timedelta(hours=30))
    night = Weekly("10A", "Astronomy", "101", frozenset({0, 3}), time(23, 30), time(0, 30))
    registers = Registers(None, [night, MATHS], {}, rules, ZONE, None)  # type: ignore[arg-type]
    days = [MONDAY + timedelta(days=n) for n in range(-20, 20)]
    for day, following in pairwise(days):
        assert registers.own(day).end == registers.own(following).start >= registers.own(day).start
        for ahead in range(1, 7):
            assert registers._reach(day + timedelta(days=ahead)).start >= registers.own(day).end


async def test_a_register_shows_the_picture_that_is_left_when_the_better_one_goes(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await recognised(parts, [frame(1, "ada")])
        parts.clock.wall += timedelta(hours=1)
        await recognised(parts, [frame(2, "ada")])
        projector = Projector(parts.registers, parts.clock)
        await projector.settle()
        (before,) = (await parts.registers.of(MONDAY)).sightings
        parts.clock.wall += parts.crops.keep - timedelta(minutes=30)
        assert await parts.crops.sweep() == 1
        await projector.settle()
        (after,) = (await parts.registers.of(MONDAY)).sightings
        assert [after.crop] == await parts.pointers()
        assert after.crop != before.crop
        assert await parts.registers.stored(MONDAY) == await parts.registers.derived(MONDAY)
