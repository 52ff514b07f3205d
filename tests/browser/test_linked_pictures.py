"""Pictures that Chromium fetches from the bucket itself (`links: direct`), past the panel and through its policy."""

from __future__ import annotations

from pathlib import Path

import pytest
import voluptuous as vol

from hub.plugin.testing import make_context
from plugins.storage.s3 import fras_plugins
from tests.browser.conftest import OpenTab
from tests.support.panel import Panel, served
from tests.support.s3_servers import rclone, until

pytestmark = pytest.mark.slow

SHOWN = "[...document.querySelectorAll('img[src^=\"/crops/\"]')].filter(one => one.complete && one.naturalWidth).length"


async def test_pictures_come_from_the_bucket(panel: Panel, tab: OpenTab, tmp_path: Path) -> None:
    (spec,) = fras_plugins()
    there = tmp_path / "server"
    there.mkdir()
    with rclone(there) as server:
        server.make("school")
        section = vol.Schema(dict(spec.config_schema))(server.config("school", links="direct"))
        async with make_context(tmp_path, base_folder=tmp_path) as context, spec.open(section, context) as bucket:
            keys = [key async for key in panel.storage.list("crops/")]
            for key in keys:
                await bucket.put(key, await panel.storage.get(key))
            await until(lambda: len(list(there.rglob("*.jpg"))) == len(keys))
            panel.storage = bucket
            async with served(panel) as linked, tab() as opened:
                fetched: list[str] = []
                opened.page.on("response", lambda answer: fetched.append(answer.url) if answer.ok else None)
                await opened.page.goto(f"{linked.address}/images")
                await opened.page.wait_for_function(f"{SHOWN} > 0")
                assert opened.complaints == []
                pictures = [url for url in fetched if "/crops/" in url]
                assert pictures
                assert all(url.startswith(f"{server.endpoint}/school/crops/") for url in pictures)
