"""The rtsp camera keeps the contract of cameras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.plugin.testing import CameraContract
from tests.support.rtsp_server import RtspServer


class TestRtsp(CameraContract):
    module = "plugins.cameras.rtsp"
    repeatable = False

    @pytest.fixture
    def config(self, server: RtspServer) -> Mapping[str, Any]:
        return {"url": server.url("/h264"), "every": "100 ms"}
