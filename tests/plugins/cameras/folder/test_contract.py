"""The folder camera keeps the contract of cameras, in each of its modes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.plugin.testing import CameraContract
from tests.support.media import image_file, scene


class FolderContract(CameraContract):
    module = "plugins.cameras.folder"

    @pytest.fixture
    def config(self, tmp_path: Path) -> Mapping[str, Any]:
        folder = tmp_path / "incoming"
        folder.mkdir()
        for number in range(5):
            file = folder / f"{number}.jpg"
            file.write_bytes(image_file(scene(seed=number)))
            os.utime(file, (1_770_000_000 + number,) * 2)
        return {"path": "incoming", **self.options()}

    def options(self) -> Mapping[str, Any]:
        raise NotImplementedError


class TestOnce(FolderContract):
    def options(self) -> Mapping[str, Any]:
        return {"mode": "once"}


class TestWatch(FolderContract):
    def options(self) -> Mapping[str, Any]:
        return {"mode": "watch"}


class TestLoop(FolderContract):
    repeatable = False
    wanted = 7

    def options(self) -> Mapping[str, Any]:
        return {"mode": "loop", "every": "10 ms"}
