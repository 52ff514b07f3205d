"""The rtsp camera keeps the contract of cameras, whatever codec it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.plugin.testing import CameraContract
from tests.support.rtsp_server import RtspServer


class RtspContract(CameraContract):
    module = "plugins.cameras.rtsp"
    repeatable = False
    path: str

    @pytest.fixture
    def config(self, server: RtspServer) -> Mapping[str, Any]:
        return {"url": server.url(self.path), "every": "100 ms"}


class TestH264(RtspContract):
    path = "/h264"


class TestMjpeg(RtspContract):
    path = "/mjpeg"
