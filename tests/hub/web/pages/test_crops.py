"""Evidence crops: never anything else, never from a cache that was not asked."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from hub.db import observations
from tests.support.pages import ADA, Browser
from tests.support.panel import Panel, at, jpeg


@pytest.fixture
async def key(panel: Panel) -> str:
    await panel.enrol(ADA)
    await panel.seen([("ada", "door-101", at("09:00"))])
    async with panel.database.read() as connection:
        return (await observations.crops_of(connection, "ada"))[0]


async def test_a_crop_is_private_and_asked_for_each_time(key: str, browser: Browser) -> None:
    async with browser.session.get(f"{browser.address}/{key}") as answer:
        assert (answer.status, await answer.read()) == (200, jpeg())
        assert answer.headers["Cache-Control"] == "private, no-cache"
        tag = answer.headers["ETag"]
    async with browser.session.get(f"{browser.address}/{key}", headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")


async def test_a_removed_crop_is_gone_at_once_even_for_who_has_it(key: str, panel: Panel, browser: Browser) -> None:
    async with browser.session.get(f"{browser.address}/{key}") as answer:
        tag = answer.headers["ETag"]
    await panel.crops.forget("ada")
    async with browser.session.get(f"{browser.address}/{key}", headers={"If-None-Match": tag}) as again:
        assert again.status == 404


async def test_nothing_else_of_storage_is_served(panel: Panel, browser: Browser) -> None:
    await panel.storage.put("portraits/a.jpg", b"a portrait")
    await panel.storage.put("crops/2026-11-23/orphan.jpg", b"without a row")
    for path in (
        "/portraits/a.jpg",
        "/crops/../portraits/a.jpg",
        "/crops/%2e%2e/portraits/a.jpg",
        "/crops/2026-11-23/orphan.jpg",
    ):
        async with ClientSession() as session, session.get(browser.address + path) as answer:
            assert answer.status == 404, path


async def test_a_crop_that_storage_has_lost_is_said(key: str, panel: Panel, browser: Browser) -> None:
    await panel.storage.delete(key)
    page = await browser.open(f"/{key}")
    assert (page.status, "This picture is gone from storage." in page.main) == (404, True)


async def test_static_files_are_asked_for_each_time(browser: Browser) -> None:
    async with browser.session.get(f"{browser.address}/static/fras.css") as answer:
        assert answer.content_type == "text/css"
        assert answer.headers["Cache-Control"] == "no-cache"
        tag = answer.headers["ETag"]
    async with browser.session.get(f"{browser.address}/static/fras.css", headers={"If-None-Match": tag}) as again:
        assert again.status == 304
