"""A register says of a past day what was true of it, whoever has withdrawn, expired or gone since."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hub.attendance.marks import BY_HAND
from hub.db import attendance, templates
from hub.plugin import Frame, Heartbeat
from hub.recognition.consent import Consent
from hub.registers import Projector
from tests.support.services import NINE, Services, frame, recognised, services

MONDAY = date(2026, 11, 23)


def film(**persons: int) -> list[Frame]:
    """A frame each minute of the lecture; `persons` gives the one that shows each of them."""
    return [frame(seq, *(p for p, n in persons.items() if n == seq), seconds=60 * seq) for seq in range(51)]


async def marks(parts: Services) -> dict[str, tuple[str, str]]:
    async with parts.database.read() as connection:
        found = await attendance.marks_of(connection, MONDAY.isoformat())
    return {mark.person: (str(mark.status), mark.why) for mark in found}


async def test_absences_of_the_past_outlive_consent_and_the_person(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob", "cem", "dee")
        await parts.enrol("eve", expires=parts.clock.now() + timedelta(hours=1))
        await recognised(parts, film(ada=3))
        await Projector(parts.registers, parts.clock).settle()
        before = await marks(parts)
        assert {person: status for person, (status, _) in before.items()} == {
            "ada": "present", "bob": "absent", "cem": "absent", "dee": "absent", "eve": "absent",
        }  # fmt: skip
        parts.clock.wall += timedelta(days=1)
        await parts.roll.sign("bob", Consent.WITHDRAWN, "x", "1")
        await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "1")
        await parts.erasure.pictures("bob")
        assert await parts.erasure.lapsed() > 0
        assert await parts.registers.derived(MONDAY) == await parts.registers.stored(MONDAY)
        assert await marks(parts) == before
        await parts.erasure.person("dee")
        await parts.registers.rebuild()
        del before["dee"]
        assert await marks(parts) == before


async def test_whoever_withdraws_during_the_day_is_not_called_absent_from_its_lectures(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        parts.clock.wall = NINE + timedelta(minutes=5)
        await recognised(parts, film(ada=3)[:6])
        await parts.roll.sign("bob", Consent.WITHDRAWN, "x", "1")
        parts.clock.wall = NINE + timedelta(hours=1)
        await parts.inbox.heartbeat("door", Heartbeat(NINE + timedelta(hours=1)))
        await recognised(parts, film()[6:])
        await parts.registers.project(MONDAY)
        found = await marks(parts)
        assert found["bob"] == ("not observed", BY_HAND)
        assert found["ada"][0] == "present"


async def test_a_watched_room_without_a_single_frame_says_who_was_absent(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        for minute in range(61):
            await parts.inbox.heartbeat("door", Heartbeat(NINE + timedelta(minutes=minute)))
        await parts.registers.project(MONDAY)
        assert {status for status, _ in (await marks(parts)).values()} == {"absent"}
        stored = await parts.registers.stored(MONDAY)
        await parts.roll.sign("bob", Consent.WITHDRAWN, "x", "1")
        assert await parts.registers.derived(MONDAY) == stored, "it was the afternoon already"


async def test_nobody_is_called_absent_by_a_model_that_did_not_know_them(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        async with parts.database.write() as connection:
            (_, vectors) = await templates.all(connection, "colours-1")
            at = NINE - timedelta(days=1)
            await templates.remove(connection, "bob", "colours-1", at=at)
            await templates.replace(connection, "bob", "another", vectors[1], 1, at=at)
        await recognised(parts, film(ada=3))
        await parts.registers.project(MONDAY)
        assert (await marks(parts))["bob"] == ("not observed", BY_HAND)
