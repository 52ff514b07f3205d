"""A school in Debian's Chromium: made once, copied for each test; what the browser asks for is written down."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support import lindenschule, postgres
from tests.support.facts import KIND
from tests.support.panel import Panel, panel_in, served

CHROMIUM = shutil.which("chromium")


WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""What of WCAG 2.2 AA another colour scheme can break."""


@dataclass
class Tab:
    """A page of the browser; `complaints` are errors of its console, `elsewhere` what it asked of others."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    async def is_accessible(self, what: str) -> None:
        """Asserts that what is shown meets WCAG 2.2 AA by light and by dark, and does not scroll sideways."""
        axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe-core is not installed").Axe()
        for scheme, options in (("light", {"runOnly": list(WCAG)}), ("dark", COLOURS)):
            await self.page.emulate_media(color_scheme=scheme)
            found = await axe.run(self.page, options=options)
            assert found.violations_count == 0, f"{what}, {scheme}: {found.generate_report()}"
        wide = await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{what} scrolls sideways by {wide} px"


OpenTab = Callable[..., AbstractAsyncContextManager[Tab]]


@pytest.fixture(scope="session")
def school_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lindenschule")

    async def make() -> None:
        async with panel_in(folder, pictures=lindenschule.PICTURES) as panel:
            await lindenschule.fill(panel, days=5)

    asyncio.run(make())
    return folder


@pytest.fixture
def folder(school_once: Path, tmp_path: Path) -> Path:
    if KIND == "postgresql":
        postgres.copy_database(school_once, tmp_path / "school")
    return shutil.copytree(school_once, tmp_path / "school")


@pytest_asyncio.fixture
async def panel(folder: Path) -> AsyncIterator[Panel]:
    """Lindenschule on Monday at 09:31, served."""
    async with panel_in(folder, now=lindenschule.NOW, pictures=lindenschule.PICTURES) as made:
        made.health |= lindenschule.healths()
        async with served(made) as running:
            yield running


@pytest_asyncio.fixture
async def tab() -> AsyncIterator[OpenTab]:
    """Opens a tab: `async with tab(scheme="dark", width=390) as opened`."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (scripts/services adds it)")
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )

        @asynccontextmanager
        async def open_tab(*, scheme: str = "light", width: int = 1280, scripts: bool = True) -> AsyncIterator[Tab]:
            context = await browser.new_context(
                viewport={"width": width, "height": 844}, color_scheme=scheme, java_script_enabled=scripts
            )
            opened = Tab(await context.new_page())
            page = opened.page
            page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            page.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
            page.on(
                "request",
                lambda asked: None if "//127.0.0.1:" in asked.url[:18] else opened.elsewhere.append(asked.url),
            )
            yield opened
            await context.close()

        yield open_tab
        await browser.close()
