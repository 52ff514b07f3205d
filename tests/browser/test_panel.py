"""The panel as somebody sees it: in Chromium, live, by keyboard, on a phone, in the dark, and without scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from hub.runtime.health import Health, State
from hub.web.recovery import Finding, Trouble, recovery
from hub.web.server import serving
from tests.browser.conftest import OpenTab
from tests.support import lindenschule
from tests.support.pages import lecture
from tests.support.panel import Panel, at, panel_in, served

pytestmark = pytest.mark.slow

WIDTHS = (390, 1280)
LONG = "/srv/lindenschule/fras/data/plugins/recognizer/onnx_local/models"
"""A path wider than a phone."""
NOTHING_YET = """\
hub: {name: Lindenschule, time_zone: Europe/Berlin}
recognizer: {platform: onnx_local}
storage: {platform: local_disk}
"""

LIVE = 15_000
"""Milliseconds in which news must show on a busy machine."""


def pages(panel: Panel) -> list[str]:
    maths = f"/lectures/{lecture(panel, 'Mathematics')}"
    last_week = f"/lectures/{lecture(panel, 'Mathematics', date(2026, 11, 20))}"
    return [
        "/",
        "/people",
        "/people?q=nobody+at+all",
        "/people/26-0002",
        "/images",
        "/attendance",
        "/days/2026-11-20",
        maths,
        f"{maths}/people/26-0001",
        "/cameras",
        f"{maths}/people/26-0026",
        f"{last_week}/people/26-0026",  # not observed, the longest word there is
        "/attendance?month=2026-01",
    ]


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_is_accessible_quiet_and_at_home(panel: Panel, tab: OpenTab, width: int) -> None:
    async with tab(width=width) as opened:
        for path in pages(panel):
            await opened.page.goto(panel.address + path)
            await opened.is_accessible(path)
        await opened.page.goto(panel.address + pages(panel)[7])
        await opened.page.locator("a[data-opens]").first.click()
        await opened.page.locator("dialog [data-sheet]").wait_for()
        await opened.is_accessible("the dialog")
        assert (opened.complaints, opened.elsewhere) == ([], [])


async def test_what_is_not_there_and_what_is_empty_is_accessible(tmp_path: Path, tab: OpenTab) -> None:
    async with panel_in(tmp_path, yaml=NOTHING_YET) as empty, served(empty), tab(width=390) as opened:
        for path in ("/", "/people", "/images", "/attendance", "/days/2026-11-20", "/cameras"):
            await opened.page.goto(empty.address + path)
            await opened.is_accessible(f"the empty {path}")
        assert opened.complaints == []
        await opened.page.goto(f"{empty.address}/lectures/nothing")
        await opened.is_accessible("an error page")
        assert opened.elsewhere == []


async def test_the_page_of_a_hub_that_cannot_run_is_accessible(tab: OpenTab) -> None:
    findings = [
        Finding("'bogus' is an invalid option, check: cameras->0->bogus", "remove it", "/srv/school/hub.yaml", 12),
        Finding("the database /srv/school/data/fras.db is at schema 0742, newer than this FRAS knows", "upgrade FRAS"),
        Finding(
            f"model pack dlib cannot be built in {LONG}/dlib: No space left on device", "see that its disk has room"
        ),
    ]
    site = recovery(lambda: Trouble(findings, "It starts once hub.yaml is right."))
    async with serving(site, "127.0.0.1", 0) as address, tab(width=390) as opened:
        await opened.page.goto(address)
        assert await opened.page.locator("h1").inner_text() == "The hub cannot run"
        await opened.is_accessible("the recovery page")
        assert opened.elsewhere == []


async def test_the_register_fills_before_your_eyes(panel: Panel, tab: OpenTab) -> None:
    async with tab() as opened:
        page = opened.page
        await page.goto(panel.address)
        late = page.locator(".running .counts .s-late b").first
        before = int(await late.inner_text())
        absent = next(
            named.mark.person
            for named in await _open_marks(panel)
            if named.mark.person not in ("26-0025", "26-0026", "26-0024")
        )
        panel.clock.moment = at("09:33")
        await panel.seen([(absent, "door-101", at("09:32"))])
        await panel.draw()
        await page.wait_for_function(
            "n => Number(document.querySelector('.running .counts .s-late b').textContent) === n",
            arg=before + 1,
            timeout=LIVE,
        )
        assert await page.locator(f".arrivals a[href$='/people/{absent}']").count() == 1
        assert opened.complaints == []


async def test_a_camera_goes_dead_and_comes_back(panel: Panel, tab: OpenTab) -> None:
    async with tab() as opened:
        page = opened.page
        await page.goto(f"{panel.address}/cameras")
        door = page.locator(".camera", has_text="door-101")
        assert "Works" in await door.inner_text()
        well = panel.health["door-101"]
        panel.health["door-101"] = Health(State.NEEDS_HUMAN, at("09:31"), "the lens is covered", "uncover it")
        await door.get_by_text("What to do: uncover it").wait_for(timeout=LIVE)
        panel.health["door-101"] = replace(well, last_error="the lens is covered")
        await door.get_by_text("Works").wait_for(timeout=LIVE)
        assert opened.complaints == []


async def test_a_crop_opens_and_closes_by_keyboard(panel: Panel, tab: OpenTab) -> None:
    async with tab(width=390) as opened:
        page = opened.page
        address = panel.address + pages(panel)[7]
        await page.goto(address)
        link = page.locator("a[data-opens]").first
        await link.focus()
        await page.keyboard.press("Enter")
        crop = page.locator("dialog .main-crop img")
        await crop.wait_for()
        assert await crop.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
        assert await page.locator("dialog").get_by_text("Threshold").count() == 1
        await page.keyboard.press("Escape")
        await page.locator("dialog").wait_for(state="detached")
        assert await link.evaluate("link => document.activeElement === link")
        assert page.url == address


async def test_everything_reads_without_scripts(panel: Panel, tab: OpenTab) -> None:
    async with tab(scripts=False) as opened:
        page = opened.page
        for path in pages(panel):
            await page.goto(panel.address + path)
            assert await page.locator("h1").count() == 1
        await page.goto(panel.address)
        await page.get_by_role("link", name="Mathematics").click()
        await page.get_by_role("link", name="Ada Byron").click()
        assert "Threshold" in await page.locator("main").inner_text()
        await page.goto(f"{panel.address}/people")
        await page.get_by_role("searchbox").fill("ngstrom")
        await page.get_by_role("button", name="Search").click()
        assert await page.locator("tbody tr").count() == 1


async def test_a_hub_that_was_away_is_followed_again(folder: Path, tab: OpenTab) -> None:
    """What happened meanwhile shows without a reload: the browser resumes after the last event it saw."""
    async with panel_in(folder, now=lindenschule.NOW) as panel, tab(width=390) as opened:
        page = opened.page
        async with served(panel):
            await page.goto(panel.address)
            port = int(panel.address.rpartition(":")[2])
            await page.wait_for_timeout(500)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.get_by_text("The hub does not answer; trying again.").wait_for(timeout=LIVE)
        nav, said = [await page.locator(one).bounding_box() for one in (".main-nav", "[data-link-state]")]
        assert nav, "at the bottom of a phone"
        assert said, "and above it"
        assert 0 < said["y"] < said["y"] + said["height"] <= nav["y"]
        panel.clock.moment = lindenschule.NOW + timedelta(minutes=1)
        await panel.seen([("26-0001", "door-101", at("09:32"))])
        async with served(panel, port):
            await page.get_by_text("As it was at 09:32:20").wait_for(timeout=LIVE)
            await page.wait_for_function("!document.querySelector('[data-link-state]').textContent", timeout=LIVE)
            await page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
            foot = await page.get_by_text("As it was at").bounding_box()
            assert foot
            assert foot["y"] + foot["height"] <= nav["y"], "the footer is not behind the navigation"


async def _open_marks(panel: Panel) -> list:  # type: ignore[type-arg]
    from hub.attendance.records import Status
    from hub.db import overview

    async with panel.database.read() as connection:
        roll = await overview.roll(connection, "2026-11-23", lecture(panel, "Mathematics"))
    return [named for named in roll if named.mark.status is Status.OPEN]
