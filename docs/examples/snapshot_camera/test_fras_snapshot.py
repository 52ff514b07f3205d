"""The camera keeps the contract, against an HTTP server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from hub.plugin import NeedsHuman, NotReady
from hub.plugin.testing import CameraContract, Opener


class LabCamera:
    """An IP camera that answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xd8 a picture \xff\xd9", status=self.status)


class TestSnapshot(CameraContract):
    module = "fras_snapshot"
    repeatable = False

    @pytest_asyncio.fixture
    async def lab(self) -> AsyncIterator[LabCamera]:
        lab = LabCamera()
        app = web.Application()
        app.router.add_get("/now.jpg", lab.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        lab.url = f"http://{host}:{port}/now.jpg"
        yield lab
        await runner.cleanup()

    @pytest.fixture
    def config(self, lab: LabCamera) -> Mapping[str, Any]:
        return {"url": lab.url, "every": "10 ms"}

    @pytest.mark.parametrize(("status", "error"), [(401, NeedsHuman), (500, NotReady)])
    async def test_says_what_the_hub_should_do_next(
        self, opener: Opener, lab: LabCamera, status: int, error: type[Exception]
    ) -> None:
        lab.status = status
        async with opener() as camera:
            with pytest.raises(error):
                await anext(camera.events())
