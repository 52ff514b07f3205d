"""The register of a day from what cameras delivered: the same whatever the order, kept up to date whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.attendance.marks import BY_HAND
from hub.attendance.records import Rules
from hub.attendance.register import canonical, facts_of
from hub.attendance.timetable import Weekly, lectures_on
from hub.db import attendance, consent, people
from hub.db.errors import DatabaseError
from hub.enrolment import PersonResult
from hub.inbox import Conclusion, Outcome
from hub.plugin import Frame, Heartbeat
from hub.portraits import Pupil
from hub.recognition.consent import Consent
from hub.registers import SETTLE, Projector, Registers
from tests.support.colours import COLOURS
from tests.support.fras import save
from tests.support.services import MATHS, NINE, Services, done, frame, recognising, services

MONDAY = date(2026, 11, 23)
SHOWN = tuple(sorted(COLOURS))

scenes = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*SHOWN, "broken"]), max_size=2, unique=True),
        st.integers(-700, 3200),
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Frame], list[Frame], list[int]]:
    """Frames in order; the same in any order, some twice; and after which of them to wait."""
    frames = [frame(seq, *persons, seconds=seconds) for seq, (persons, seconds) in enumerate(draw(scenes))]
    again = draw(st.lists(st.sampled_from(frames), max_size=4))
    shuffled = draw(st.permutations([*frames, *again]))
    return frames, shuffled, draw(st.lists(st.integers(0, len(shuffled)), max_size=2))


async def register_of(frames: list[Frame], pauses: list[int], tmp: Path) -> dict[str, Any]:
    """Monday's register, in its canonical form but for the names of crops, for which their pictures stand."""
    async with services(tmp) as parts:
        await parts.enrol("ada", "bob", "cem", "dee")
        async with recognising(parts):
            batch: list[Any] = []
            for number, one in enumerate(frames):
                if number in pauses:
                    await asyncio.gather(*batch)
                    await done(parts)
                    batch = []
                batch.append(parts.inbox.accept("door", one))
            await asyncio.gather(*batch, parts.inbox.heartbeat("door", Heartbeat(NINE + timedelta(hours=2))))
            await done(parts)
        register = await parts.registers.project(MONDAY)
        assert await parts.registers.derived(MONDAY) == await parts.registers.stored(MONDAY)
        plain: dict[str, Any] = json.loads(canonical(register))
        for conclusion in plain["sightings"] + plain["marks"]:
            if conclusion["crop"]:
                conclusion["crop"] = hashlib.sha256(await parts.storage.get(conclusion["crop"])).hexdigest()
        return plain


@given(deliveries())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_any_order_duplication_or_batching_of_the_same_frames_gives_the_same_register(
    case: tuple[list[Frame], list[Frame], list[int]],
) -> None:
    frames, shuffled, pauses = case
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        assert await register_of(frames, [], Path(one)) == await register_of(shuffled, pauses, Path(other))


def film(persons: dict[int, str]) -> list[Frame]:
    """A frame each half minute of the lecture; `persons` says who is in which."""
    return [frame(seq, *persons.get(seq, "").split(), seconds=30 * seq) for seq in range(105)]


async def deliver(parts: Services, frames: list[Frame]) -> None:
    async with recognising(parts):
        await asyncio.gather(*(parts.inbox.accept("door", one) for one in frames))
        await done(parts)


async def statuses(parts: Services, day: date = MONDAY) -> dict[str, str]:
    """The stored marks of the day."""
    async with parts.database.read() as connection:
        return {mark.person: str(mark.status) for mark in await attendance.marks_of(connection, day.isoformat())}


async def test_what_a_killed_hub_had_not_projected_is_projected_at_the_next_start(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob", "cem")
        await deliver(parts, film({3: "ada", 60: "bob"}))
        assert await statuses(parts) == {}
    async with services(tmp_path) as parts:
        await Projector(parts.registers, parts.clock).settle()
        assert await statuses(parts) == {"ada": "present", "bob": "late", "cem": "absent"}
    async with services(tmp_path) as parts:
        assert (await parts.registers.news())[1] == set()


async def test_whoever_was_enrolled_later_is_not_called_absent(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await deliver(parts, film({3: "ada"}))
        await Projector(parts.registers, parts.clock).settle()
        before = await parts.registers.stored(MONDAY)
        parts.clock.wall += timedelta(minutes=1)
        async with parts.database.write() as connection:
            await people.add(connection, people.Person("bob", "Bob", "11B"))
            await consent.append(connection, person="bob", signer="x", state=Consent.GRANTED, at=NINE)
        pupil = Pupil("bob", None, "11B", (save(tmp_path / "bob.png", "bob"),))
        enrolment = parts.enrolment()
        assert [result.images async for result in enrolment.enrol([pupil]) if isinstance(result, PersonResult)] == [1]
        assert await parts.registers.derived(MONDAY) == before, "another class: nothing of it"
        await parts.roll.add("bob", class_name="10A")
        register = await parts.registers.of(MONDAY)
        assert {mark.person: mark.why for mark in register.marks}["bob"] == BY_HAND


async def test_every_end_of_a_frame_counts_not_only_recognition(tmp_path: Path) -> None:
    """A rejected frame is no coverage, and what was waiting for it may now be said."""
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await deliver(parts, film({}))
        projector = Projector(parts.registers, parts.clock)
        await projector.settle()
        waits = await parts.inbox.accept("door", frame(200, seconds=1000))
        await parts.inbox.conclude([Conclusion(waits.frame_id, Outcome.SUPERSEDED)])
        assert (await parts.registers.news())[1] == {MONDAY}
        await projector.settle()
        assert (await parts.registers.news())[1] == set()
        assert await parts.registers.derived(MONDAY) == await parts.registers.stored(MONDAY)


async def test_facts_that_arrive_while_the_register_is_drawn_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        await deliver(parts, film({3: "ada"}))
        projector = Projector(parts.registers, parts.clock)
        drawn = Registers.of

        async def meanwhile(registers: Registers, day: date, **more: Any) -> Any:
            register = await drawn(registers, day, **more)
            monkeypatch.undo()
            await deliver(parts, [frame(300, "bob", seconds=95)])
            projector.concluded()
            projector.watched(NINE + timedelta(hours=1))
            return register

        monkeypatch.setattr(Registers, "of", meanwhile)
        await asyncio.gather(projector.settle(), projector.settle())
        assert await statuses(parts) == {"ada": "present", "bob": "present"}


def count_projections(registers: Registers, monkeypatch: pytest.MonkeyPatch) -> list[date]:
    projected: list[date] = []
    project = Registers.project

    async def counted(self: Registers, day: date) -> Any:
        projected.append(day)
        return await project(self, day)

    monkeypatch.setattr(Registers, "project", counted)
    return projected


@asynccontextmanager
async def at_work(projector: Projector) -> AsyncIterator[None]:
    task = asyncio.create_task(projector.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_facts_that_arrive_together_cost_one_projection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        projected = count_projections(parts.registers, monkeypatch)
        projector = Projector(parts.registers, parts.clock)
        for seconds in range(500):
            projector.watched(NINE + timedelta(seconds=seconds))
            projector.concluded()
        async with at_work(projector):
            async with asyncio.timeout(5):
                while SETTLE not in parts.clock.slept:
                    await asyncio.sleep(0.01)
        assert projected == [MONDAY]


async def test_a_failing_database_delays_the_register_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await deliver(parts, film({3: "ada"}))
        projector = Projector(parts.registers, parts.clock)
        broken, write = 3, parts.database.write

        def sometimes() -> Any:
            nonlocal broken
            broken -= 1
            if broken >= 0:
                raise DatabaseError("the disk reports an error")
            return write()

        monkeypatch.setattr(parts.database, "write", sometimes)
        projector.concluded()
        async with at_work(projector), asyncio.timeout(5):
            while await statuses(parts) != {"ada": "present"}:
                await asyncio.sleep(0.01)
        assert parts.clock.slept.count(SETTLE) >= 3, "it is left alone between the tries"


async def test_open_marks_are_decided_once_patience_has_run_out_even_after_a_restart(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        parts.clock.wall = NINE + timedelta(minutes=55)
        await parts.enrol("ada")
        await deliver(parts, film({})[:95])
        await Projector(parts.registers, parts.clock).settle()
        assert await statuses(parts) == {"ada": "open"}
    async with services(tmp_path) as parts:
        parts.clock.wall = NINE + timedelta(days=1)
        projector = Projector(parts.registers, parts.clock)
        projector.look_again()
        await projector.settle()
        assert await statuses(parts) == {"ada": "absent"}


async def test_an_interrupted_rebuild_loses_no_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        for day in range(3):
            await parts.registers.project(MONDAY + timedelta(days=day))
        before = await all_stored(parts)
        project = Registers.project

        async def until_tuesday(self: Registers, day: date, **more: Any) -> Any:
            if day > MONDAY:
                raise KeyboardInterrupt
            return await project(self, day, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Registers, "project", until_tuesday)
            with pytest.raises(KeyboardInterrupt):
                await parts.registers.rebuild()
        assert await all_stored(parts) == before
        assert await parts.registers.rebuild() == []
        assert await all_stored(parts) == before


ART = Weekly("10A", "Art", "101", frozenset(range(5)), time(9), time(10))


async def lectures_marked(parts: Services) -> set[str]:
    async with parts.database.read() as connection:
        return {lecture.name for lecture in await attendance.lectures_of(connection, MONDAY.isoformat())}


async def lesson_of_ada(parts: Services) -> Any:
    """Monday's first lesson, to which bob did not come, and what is stored of it two hours later."""
    await parts.enrol("ada", "bob")
    parts.clock.wall = NINE + timedelta(hours=2)
    await deliver(parts, film({3: "ada"}))
    await Projector(parts.registers, parts.clock).settle()
    return await parts.registers.stored(MONDAY)


async def test_a_day_that_is_over_keeps_its_lectures_when_the_timetable_changes(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        before = await lesson_of_ada(parts)
        parts.registers.follow([ART], {"door": "101"}, Rules())
        assert {lecture.name for lecture in (await parts.registers.of(MONDAY)).lectures} == {"Art"}, "it is not over"
        parts.clock.wall += timedelta(days=1)
        assert await parts.registers.derived(MONDAY) == before
        await deliver(parts, [frame(300, "bob", seconds=95)])
        await Projector(parts.registers, parts.clock).settle()
        assert await statuses(parts) == {"ada": "present", "bob": "present"}
        assert await lectures_marked(parts) == {"Mathematics"}
        assert await parts.registers.rebuild() == []
        assert await parts.registers.rebuild(replan=True) == [MONDAY]
        assert await lectures_marked(parts) == {"Art"}
        assert await parts.registers.derived(MONDAY) == await parts.registers.stored(MONDAY)


async def test_a_day_that_is_over_keeps_its_cameras_when_they_are_taken_away(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        before = await lesson_of_ada(parts)
        parts.registers.follow([MATHS], {"window": "101"}, Rules())
        assert {str(mark.status) for mark in (await parts.registers.of(MONDAY)).marks} == {"not observed"}, (
            "it is today"
        )
        parts.clock.wall += timedelta(days=1)
        assert await parts.registers.derived(MONDAY) == before
        assert await parts.registers.rebuild() == []
        assert await statuses(parts) == {"ada": "present", "bob": "absent"}


EVERY_DAY = frozenset(range(7))
NIGHT = Weekly("10A", "Astronomy", "101", EVERY_DAY, time(22), time(0, 30))
EARLY = Weekly("10A", "Bakery", "101", EVERY_DAY, time(0, 5), time(2, 30))
ROUND = Weekly("10A", "Watch", "101", EVERY_DAY, time(12), time(11, 59))


async def test_a_frame_just_after_midnight_belongs_to_the_lecture_that_began_the_day_before(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        parts.clock.wall = NINE + timedelta(days=3)
        await parts.enrol("ada")
        registers = Registers(parts.database, [NIGHT], {"door": "101"}, Rules(), ZoneInfo("Europe/Berlin"), parts.clock)
        after_midnight = (datetime(2026, 11, 23, 23, 10, tzinfo=UTC) - NINE).total_seconds()
        await deliver(parts, [frame(1, "ada", seconds=after_midnight)])
        await Projector(registers, parts.clock).settle()
        assert await statuses(parts) == {"ada": "present"}, "nobody watched who came in time"
        for day in await registers.days():
            assert await registers.derived(day) == await registers.stored(day)


async def all_stored(parts: Services) -> list[bytes]:
    return [await parts.registers.stored(day) for day in await parts.registers.days()]


@given(
    st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"]),
    st.lists(st.sampled_from([MATHS, NIGHT, EARLY, ROUND]), max_size=4),
    st.builds(
        Rules,
        early=st.timedeltas(timedelta(0), timedelta(hours=3)),
        gap=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    ),
)
@settings(max_examples=150, deadline=None)
def test_a_moment_belongs_to_every_day_whose_register_may_use_it(
    moment: datetime, zone: str, weekly: list[Weekly], rules: Rules
) -> None:
    where = ZoneInfo(zone)
    registers = Registers(None, weekly, {}, rules, where, None)  # type: ignore[arg-type]
    local = moment.astimezone(where).date()
    near = [local + timedelta(days=n) for n in range(-4, 5)]
    reaches = {day: facts_of(day, lectures_on(day, weekly, where), where, rules) for day in near}
    using = {day for day, reach in reaches.items() if reach.start <= moment <= reach.end}
    assert registers.days_of(moment) == using | {local}
