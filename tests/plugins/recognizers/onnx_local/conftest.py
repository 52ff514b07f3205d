"""A context without a hub, a pack made of the shared models, and networks that answer from a script."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
import yaml

from hub.plugin import PluginContext, SystemClock
from plugins.recognizers.onnx_local import CONFIG_SCHEMA


class Context:
    """As much of a PluginContext as a recogniser uses."""

    def __init__(self, folder: Path) -> None:
        self.instance_id = "onnx_local"
        self.logger = logging.getLogger("fras.onnx_local")
        self.data_folder = folder / "data"
        self.data_folder.mkdir()
        self.base_folder = folder
        self.clock = SystemClock()
        self.messages: list[str] = []

    async def run_blocking(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(call, *args, **kwargs)

    def progress(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def context(tmp_path: Path) -> PluginContext:
    return Context(tmp_path)  # type: ignore[return-value]


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    """The plugin's configuration as the hub would hand it over."""

    def validated(**values: Any) -> dict[str, Any]:
        return vol.Schema(CONFIG_SCHEMA)(values)

    return validated


@pytest.fixture
def manifest_data() -> dict[str, Any]:
    """A valid manifest's data: YuNet and 0095."""
    return yaml.safe_load((Path(__file__).parent / "yunet_reid" / "pack.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def pack_folder(tmp_path: Path) -> Path:
    """A pack with a valid manifest and without weights."""
    folder = tmp_path / "packs" / "yunet_reid"
    shutil.copytree(Path(__file__).parent / "yunet_reid", folder)
    return folder


@pytest.fixture
def reid_pack(pack_folder: Path, shared: Path) -> Path:
    """YuNet and 0095, complete."""
    for name in ("face_detection_yunet_2026may.onnx", "face_reid_retail_0095_fp16w.onnx"):
        (pack_folder / name).symlink_to(shared / "models" / name)
    return pack_folder
