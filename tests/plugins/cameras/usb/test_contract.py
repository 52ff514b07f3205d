"""The usb camera keeps the contract of cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hub.plugin.testing import CameraContract


class TestUsb(CameraContract):
    module = "plugins.cameras.usb"
    repeatable = False

    @pytest.fixture
    def config(self, stand_in: Callable[[str], None]) -> Mapping[str, Any]:
        stand_in("yuyv422")
        return {"device": 2, "every": "50 ms"}
