"""The shipped hub.yaml as a newcomer starts it, with the real recogniser; only its lectures are quicker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.app import Paths, School, open_school
from hub.attendance.records import Status
from hub.attendance.register import Register
from hub.db.tables import observations
from hub.works import open_works
from plugins.cameras.demo import REFUSED
from plugins.cameras.demo.camera import cast_of
from plugins.cameras.demo.script import Script

SHIPPED = Path(__file__).parents[2] / "hub.yaml"
SLOT = timedelta(minutes=1)
QUICKER = {
    "every: 20 min, length: 8 min": "every: 2 min, length: 48 s",
    'start: "00:10"': 'start: "00:01"',
    "scene: 1}": "scene: 1, slot: 1 min}",
    "scene: 2}": "scene: 2, slot: 1 min}",
    "late_after: 1 min": "late_after: 6 s",
    "port: 8123": "port: 8124",
}
ENOUGH = 6
"""People of a lecture that have come: more than half."""
PATIENCE = 120.0
"""Seconds; the machine may be busy, and a lecture may just have ended."""
CAME = (Status.PRESENT, Status.LATE)


def quicker(text: str) -> str:
    for before, after in QUICKER.items():
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    (tmp_path / "hub.yaml").write_text(quicker(SHIPPED.read_text("utf-8")), "utf-8")
    async with open_school(Paths.of(tmp_path / "hub.yaml", None), own=True) as opened:
        yield opened


async def filled(school: School) -> Register:
    """The register, once enough have come to one lecture."""
    while True:
        register = await school.registers.of(school.today())
        for lecture in register.lectures:
            came = [mark for mark in register.marks if mark.lecture == lecture.id and mark.status in CAME]
            if len(came) >= ENOUGH:
                return register
        await asyncio.sleep(0.5)


@pytest.mark.slow
async def test_the_register_of_the_running_lecture_fills(school: School) -> None:
    said: list[str] = []
    async with open_works(school, report=said.append):
        register = await asyncio.wait_for(filled(school), PATIENCE)
    assert said[-1] == "enrolling the demo school: 10 of 10"
    assert REFUSED in {mark.person for mark in register.marks}
    assert {mark.status for mark in register.marks if mark.person == REFUSED} <= {Status.OPEN, Status.NOT_OBSERVED}
    await everybody_named_was_there(school)


async def everybody_named_was_there(school: School) -> None:
    """Whom the hub named, in which room and when, against the play."""
    play = Script(cast_of(), SLOT, school.zone)
    rooms = {"demo-101": 0, "demo-102": 1}
    table = observations.c
    async with school.database.read() as connection:
        rows = (await connection.execute(select(table.captured_at, table.camera, table.person))).all()
    named = [row for row in rows if row.person is not None]
    assert len(named) >= ENOUGH
    for row in named:
        present = {presence.person for presence in play.present(rooms[row.camera], row.captured_at)}
        assert row.person in present - {REFUSED, play.cast.stranger}
