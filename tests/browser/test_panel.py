"""The panel as somebody sees it: in Chromium, live, by keyboard, on a phone, in the dark, and without scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.runtime.health import Health, State
from tests.browser.conftest import OpenTab
from tests.support import lindenschule
from tests.support.pages import lecture
from tests.support.panel import Panel, at, panel_in, served

pytestmark = pytest.mark.slow

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
LIVE = 15_000
"""Milliseconds in which news must show on a busy machine."""


def pages(panel: Panel) -> list[str]:
    maths = f"/lectures/{lecture(panel, 'Mathematics')}"
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
    ]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_quiet_and_at_home(panel: Panel, tab: OpenTab, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe-core is not installed").Axe()
    async with tab(scheme=scheme, width=width) as opened:
        page = opened.page
        for path in pages(panel):
            await page.goto(panel.address + path)
            found = await axe.run(page, options={"runOnly": list(WCAG)})
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} scrolls sideways by {wide} px"
        await page.goto(panel.address + pages(panel)[7])
        await page.locator("a[data-opens]").first.click()
        await page.locator("dialog [data-sheet]").wait_for()
        found = await axe.run(page, options={"runOnly": list(WCAG)})
        assert found.violations_count == 0, f"dialog: {found.generate_report()}"
        assert (opened.complaints, opened.elsewhere) == ([], [])


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
    async with panel_in(folder, now=lindenschule.NOW) as panel, tab() as opened:
        page = opened.page
        async with served(panel):
            await page.goto(panel.address)
            port = int(panel.address.rpartition(":")[2])
            await page.wait_for_timeout(500)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.get_by_text("The hub does not answer; trying again.").wait_for(timeout=LIVE)
        panel.clock.moment = lindenschule.NOW + timedelta(minutes=1)
        await panel.seen([("26-0001", "door-101", at("09:32"))])
        async with served(panel, port):
            await page.get_by_text("As it was at 09:32:20").wait_for(timeout=LIVE)
            await page.wait_for_function("!document.querySelector('[data-link-state]').textContent", timeout=LIVE)


async def _open_marks(panel: Panel) -> list:  # type: ignore[type-arg]
    from hub.attendance.records import Status
    from hub.db import overview

    async with panel.database.read() as connection:
        roll = await overview.roll(connection, "2026-11-23", lecture(panel, "Mathematics"))
    return [named for named in roll if named.mark.status is Status.OPEN]
