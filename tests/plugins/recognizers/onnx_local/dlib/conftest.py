"""The pack built once, its stages, and dlib itself as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from hub.plugin import Pixels
from plugins.recognizers.onnx_local.dlib.aligner import DlibAligner
from plugins.recognizers.onnx_local.dlib.build import build
from plugins.recognizers.onnx_local.dlib.embedder import DlibFaceNet
from plugins.recognizers.onnx_local.dlib.landmarks import ShapePredictor
from plugins.recognizers.onnx_local.dlib.mmod import MmodDetector
from plugins.recognizers.onnx_local.sessions import Session


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dlib_pack")
    build(folder, lambda message: None)
    return folder


@pytest.fixture(scope="session")
def detector(built: Path) -> MmodDetector:
    return MmodDetector(Session((built / "detector.onnx").read_bytes(), threads=2, arena=False))


@pytest.fixture(scope="session")
def net(built: Path) -> DlibFaceNet:
    return DlibFaceNet(Session((built / "embedder.onnx").read_bytes(), threads=2, arena=True))


@pytest.fixture(scope="session")
def predictor(built: Path) -> ShapePredictor:
    return ShapePredictor.load(built / "landmarks.npz")


@pytest.fixture(scope="session")
def aligner(predictor: ShapePredictor) -> DlibAligner:
    return DlibAligner(predictor)


@pytest.fixture(scope="session")
def dlib() -> ModuleType:
    return pytest.importorskip("dlib", reason="the oracle, dlib-bin, is not installed")


@pytest.fixture(scope="session")
def weights() -> Callable[[str], str]:
    """The path of one of dlib's own files."""
    return lambda name: str(
        distribution("face_recognition_models").locate_file(f"face_recognition_models/models/{name}")
    )


@pytest.fixture(scope="session")
def noise() -> Callable[..., Pixels]:
    """A picture of soft blobs: enough structure for landmarks and chips, nobody in it."""

    def picture(width: int, height: int, seed: int = 0) -> Pixels:
        coarse = np.random.default_rng(seed).integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
        return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return picture


@pytest.fixture(scope="session")
def photo() -> Callable[..., Pixels]:
    """A photograph, RGB, no wider than asked."""

    def picture(path: Path, width: int = 10_000) -> Pixels:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        if image.shape[1] > width:
            size = (width, round(image.shape[0] * width / image.shape[1]))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.uint8)

    return picture
