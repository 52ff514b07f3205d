"""The contract of cameras at a Video4Linux device, for a process in which something stands in for the kernel.

test_v4l2.py runs this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.plugin import Camera, CameraSpec, Config, PluginContext
from hub.plugin.testing import CameraContract
from plugins.cameras import usb

DEVICE = os.fspath(Path(os.environ["FAKE_V4L2"]) / "video0")
"""The schema takes none outside of /dev."""
(USB,) = usb.fras_plugins()


class TestUsb(CameraContract):
    module = "plugins.cameras.usb"
    repeatable = False

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        return {"every": "20 ms", "still_every": "0 s"}

    @pytest.fixture
    def spec(self) -> CameraSpec:
        def opened(config: Config, context: PluginContext) -> AbstractAsyncContextManager[Camera]:
            return USB.open({**config, "device": DEVICE}, context)

        async def probed(config: Config, context: PluginContext) -> str:
            assert USB.probe is not None
            return await USB.probe({**config, "device": DEVICE}, context)

        return replace(USB, open=opened, probe=probed)
