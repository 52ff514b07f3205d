"""onnx_local keeps the contract of embedders, with the default pack and with one of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.plugin import Picture
from hub.plugin.media import decode
from hub.plugin.testing import EmbedderContract

PORTRAITS = ("scenes/enrol/biden", "scenes/enrol/kit_harington")

pytestmark = [pytest.mark.shared, pytest.mark.slow]


class OnnxLocal(EmbedderContract):
    module = "plugins.recognizers.onnx_local"

    @pytest.fixture
    def pictures(self, shared: Path) -> Sequence[Picture]:
        files = [next(file for file in sorted((shared / "data" / p).iterdir()) if file.is_file()) for p in PORTRAITS]
        return [decode(file.read_bytes(), longest=480) for file in files]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that opens the pack builds it."""
    return tmp_path_factory.mktemp("dlib")


class TestDlib(OnnxLocal):
    @pytest.fixture
    def config(self, built: Path) -> Mapping[str, Any]:
        return {"pack": "dlib", "min_face": 80, "models_folder": str(built)}


class TestPackOfAFolder(OnnxLocal):
    @pytest.fixture
    def config(self, reid_pack: Path) -> Mapping[str, Any]:
        return {"pack": str(reid_pack)}
