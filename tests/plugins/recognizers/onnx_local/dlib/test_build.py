"""The pack comes out of the published weights, always the same, or with a message that says what to do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.plugin import NeedsHuman
from plugins.recognizers.onnx_local.dlib import build as building
from plugins.recognizers.onnx_local.dlib import mmod
from plugins.recognizers.onnx_local.dlib.graph import Graph
from plugins.recognizers.onnx_local.dlib.landmarks import ShapePredictor
from plugins.recognizers.onnx_local.dlib.layers import Dense
from plugins.recognizers.onnx_local.dlib.serialized import DamagedFileError

FILES = ("detector.onnx", "embedder.onnx", "landmarks.npz")


def test_the_same_bytes_every_time_and_progress_on_the_way(built: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    building.build(tmp_path, messages.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert all((tmp_path / name).read_bytes() == (built / name).read_bytes() for name in FILES)
    assert len(messages) == 4


@pytest.mark.parametrize("name", FILES[:2])
def test_graphs_are_valid_onnx(built: Path, name: str) -> None:
    onnx.checker.check_model(str(built / name), full_check=True)


def test_the_package_of_the_weights_is_never_imported() -> None:
    script = (
        "import sys; from plugins.recognizers.onnx_local.dlib.build import SOURCES, source;"
        "from plugins.recognizers.onnx_local.dlib import embedder, landmarks, mmod;"
        "mmod.convert(*(source(name) for name in SOURCES if name.startswith('mmod')));"
        "sys.exit(sum(name in sys.modules for name in ('face_recognition_models', 'pkg_resources', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[5], check=False).returncode == 0


class Installed:
    """A distribution with files of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locate_file(self, name: str) -> Path:
        return self._folder / name


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the published files that a test may damage."""
    folder = tmp_path / building.PACKAGE / "models"
    folder.mkdir(parents=True)
    for name in building.SOURCES:
        (folder / name).write_bytes(building.source(name))
    monkeypatch.setattr(building, "distribution", lambda name: Installed(tmp_path))
    return folder


@pytest.mark.parametrize("name", list(building.SOURCES))
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_damaged_weights_are_named(weights_folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    data = bytearray((weights_folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    damaged = {"flipped": bytes(data), "truncated": bytes(data[:-1]), "empty": b""}[damage]
    (weights_folder / name).write_bytes(damaged)
    with pytest.raises(NeedsHuman, match=f"{name} is not the published file .*; install it again") as caught:
        building.build(tmp_path, lambda message: None)
    assert str(tmp_path) not in str(caught.value)
    assert not (tmp_path / "detector.onnx").exists()


def test_a_missing_file_is_named(weights_folder: Path, tmp_path: Path) -> None:
    (weights_folder / "shape_predictor_5_face_landmarks.dat").unlink()
    with pytest.raises(NeedsHuman, match=r"shape_predictor_5_face_landmarks\.dat cannot be read \(No such file"):
        building.build(tmp_path, lambda message: None)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(building, "distribution", missing)
    with pytest.raises(NeedsHuman, match=r"is not installed; install it: pip install face_recognition_models==0\.3\.0"):
        building.build(tmp_path, lambda message: None)


DETECTOR = building.source("mmod_human_face_detector.dat")
HEADERS = [*range(140), *range(4962, 5200), *range(len(DETECTOR) - 150, len(DETECTOR))]
"""Where structure stands in the detector's file; the rest is weights."""


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(HEADERS), st.integers(0, 255))
def test_a_damaged_network_is_refused_or_read(at: int, value: int) -> None:
    data = bytearray(DETECTOR)
    data[at] = value
    with contextlib.suppress(DamagedFileError):
        mmod.convert(bytes(data))


@pytest.mark.parametrize("weight", [1e39, -1e300, np.inf, np.nan])
def test_weights_that_no_float32_holds_are_refused(weight: float) -> None:
    graph = Graph("x", (1, 8, 8))
    with pytest.raises(DamagedFileError, match="a weight is not a number, or too large"):
        graph.add([Dense(np.array([[1.0, weight]]))])


def test_a_damaged_landmark_model_is_refused(built: Path, tmp_path: Path) -> None:
    data = building.source("shape_predictor_5_face_landmarks.dat")
    for damaged in (data[:-10], data[:100_000], data[1:], b""):
        with pytest.raises(DamagedFileError, match="the landmark model"):
            ShapePredictor.parse(damaged)
    whole = (built / "landmarks.npz").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no archive", whole[:100_000] + b"damage" + whole[100_006:]):
        (tmp_path / "landmarks.npz").write_bytes(damaged)
        with pytest.raises(DamagedFileError, match="the landmark model"):
            ShapePredictor.load(tmp_path / "landmarks.npz")
