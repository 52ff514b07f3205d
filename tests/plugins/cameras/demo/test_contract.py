"""The demo camera keeps the contract of cameras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.plugin.testing import CameraContract


class TestDemo(CameraContract):
    module = "plugins.cameras.demo"
    repeatable = False

    @pytest.fixture(params=[1, 2])
    def config(self, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        return {"scene": request.param, "slot": "10 s", "every": "20 ms"}
