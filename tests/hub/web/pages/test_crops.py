"""Evidence crops: never anything else, never from a cache that was not asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from hub.db import observations
from hub.plugin import NotReady, Storage
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
    await panel.crops.remove([key])
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


class Linking:
    """A storage that has a browser fetch what it keeps elsewhere, unless it cannot say where."""

    def __init__(self, storage: Storage, elsewhere: str) -> None:
        self._storage = storage
        self.elsewhere = elsewhere

    async def get(self, key: str) -> bytes:
        return await self._storage.get(key)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        if not self.elsewhere:
            raise NotReady("away")
        assert lifetime == timedelta(minutes=1)
        return f"{self.elsewhere}/{key}?signed"


async def test_a_storage_may_have_the_browser_fetch_it(key: str, panel: Panel, browser: Browser) -> None:
    panel.storage = linking = cast(Any, Linking(panel.storage, "https://bucket.example:9000"))
    async with browser.session.get(f"{browser.address}/{key}", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, f"https://bucket.example:9000/{key}?signed")
        assert answer.headers["Cache-Control"] == "no-store"
    async with browser.session.get(f"{browser.address}/images") as page:
        assert "img-src 'self' https://bucket.example:9000;" in page.headers["Content-Security-Policy"]
        assert "default-src 'none';" in page.headers["Content-Security-Policy"]
    async with browser.session.get(f"{browser.address}/crops/none.jpg", allow_redirects=False) as answer:
        assert answer.status == 404
    linking.elsewhere = ""
    async with browser.session.get(f"{browser.address}/images") as page:
        assert page.status == 200
        assert "img-src 'self';" in page.headers["Content-Security-Policy"]
