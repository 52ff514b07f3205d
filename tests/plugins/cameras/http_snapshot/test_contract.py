"""The http_snapshot camera keeps the contract of cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from hub.plugin.testing import CameraContract

from .conftest import WebCamera, serving


class TestHttpSnapshot(CameraContract):
    module = "plugins.cameras.http_snapshot"
    repeatable = False

    @pytest.fixture
    async def config(self, web_camera: WebCamera) -> AsyncIterator[Mapping[str, Any]]:
        async with serving(web_camera) as address:
            yield {"url": f"{address}/open.jpg", "every": "20 ms"}
