"""The shipped hub.yaml as a newcomer starts it, with the real recogniser; only its lectures are quicker.

One hub for all of it: it enrols the demo school, and a browser watches.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.app import Paths, School, open_school
from hub.attendance.records import Mark, Status
from hub.db.tables import observations
from plugins.cameras.demo import REFUSED
from plugins.cameras.demo.camera import cast_of
from plugins.cameras.demo.script import Script
from tests.browser.conftest import OpenTab
from tests.support.fras import School as Folder
from tests.support.fras import save
from tests.support.running import RunningHub, running

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[2] / "hub.yaml"
SLOT = timedelta(minutes=1)
QUICKER = {
    "every: 20 min, length: 10 min": "every: 2 min, length: 1 min",
    'start: "00:10"': 'start: "00:01"',
    "scene: 1}": "scene: 1, slot: 1 min}",
    "scene: 2}": "scene: 2, slot: 1 min}\n  - {platform: folder, id: hall, room: hall, path: incoming, mode: watch}",
    "late_after: 1 min": "late_after: 6 s",
    "port: 8123": "port: 0",
}
"""And a third camera, which a test can take away."""
ENOUGH = 6
"""People of a lecture that have come: more than half."""
PATIENCE = 120.0
"""Seconds; the machine may be busy, and a lecture may just have ended."""
CAME = (Status.PRESENT, Status.LATE)
FILLED = "enough => document.querySelectorAll('.running .arrivals a').length >= enough"


def quicker(text: str) -> str:
    for before, after in QUICKER.items():
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder = Folder(tmp_path_factory.mktemp("newcomer"))
    (folder.folder / "hub.yaml").write_text(quicker(SHIPPED.read_text("utf-8")), "utf-8")
    with running(folder) as started:
        started.says("panel: http://", within=PATIENCE)
        yield started


def address(hub: RunningHub) -> str:
    return hub.address.rstrip("/")


async def test_the_register_fills_while_somebody_looks_and_a_mark_opens_its_picture(
    hub: RunningHub, tab: OpenTab
) -> None:
    async with tab() as opened:
        page = opened.page
        await page.goto(address(hub))
        await page.evaluate("window.loadedOnce = true")
        await page.wait_for_function(FILLED, arg=ENOUGH, timeout=PATIENCE * 1000)
        assert await page.evaluate("window.loadedOnce"), "without loading the page again"
        await page.locator(".arrivals a[data-opens]").first.click()
        crop = page.locator("dialog .main-crop img")
        assert await crop.evaluate("image => image.decode().then(() => image.naturalWidth)") > 80
        assert await page.locator("dialog").get_by_text("Threshold").count() == 1
        await opened.is_accessible("a mark of the demo")
        assert (opened.complaints, opened.elsewhere) == ([], [])


async def test_the_six_pages_of_the_demo_are_accessible_and_at_home(hub: RunningHub, tab: OpenTab) -> None:
    """On a phone; the test above looks at a desktop, and tests/browser/test_panel.py at every page on both."""
    async with tab(width=390) as opened:
        page = opened.page
        await page.goto(address(hub))
        register = await page.locator("a[href^='/lectures/']").first.get_attribute("href")
        for path in ("/", "/people", "/people/demo-alex", "/images", "/attendance", register, "/cameras", "/nodes"):
            await page.goto(address(hub) + path)
            await opened.is_accessible(path)
        assert (opened.complaints, opened.elsewhere) == ([], [])


async def test_a_camera_of_the_demo_hub_goes_dead_and_comes_back(hub: RunningHub, tab: OpenTab) -> None:
    incoming = hub.school.folder / "incoming"
    async with tab() as opened:
        page = opened.page
        await page.goto(f"{address(hub)}/cameras")
        hall = page.locator(".camera", has_text="hall")
        save(incoming / "1.png", "ada")
        await hall.get_by_text("Works").wait_for(timeout=PATIENCE * 1000)
        shutil.rmtree(incoming)
        await hall.get_by_text("Does not work now; the hub keeps trying").wait_for(timeout=PATIENCE * 1000)
        assert "What to do:" in await hall.inner_text()
        assert "Works" in await page.locator(".camera", has_text="demo-101").inner_text()
        incoming.mkdir()
        save(incoming / "2.png", "bob")
        await hall.get_by_text("Works").wait_for(timeout=PATIENCE * 1000)
        assert "Last problem:" in await hall.inner_text()
        assert (opened.complaints, opened.elsewhere) == ([], [])


async def test_everybody_named_was_there(hub: RunningHub) -> None:
    """Whom the hub named, in which room and when, against the play."""
    hub.says("enrolling the demo school: 10 of 10")
    paths = Paths.of(hub.school.folder / "hub.yaml", None)
    async with open_school(paths, read_only=True) as school:
        marks = await asyncio.wait_for(filled(school), PATIENCE)
        assert {mark.status for mark in marks if mark.person == REFUSED} <= {Status.OPEN, Status.NOT_OBSERVED}
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


async def filled(school: School) -> tuple[Mark, ...]:
    """The day's marks, once enough have come to one lecture."""
    while True:
        register = await school.registers.of(school.today())
        for lecture in register.lectures:
            came = [mark for mark in register.marks if mark.lecture == lecture.id and mark.status in CAME]
            if len(came) >= ENOUGH:
                return register.marks
        await asyncio.sleep(0.5)
