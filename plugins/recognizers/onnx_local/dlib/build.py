"""Builds the dlib pack from the weights in the PyPI package face_recognition_models (CC0)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.plugin import NeedsHuman

from .serialized import DamagedFileError

if TYPE_CHECKING:
    from onnx import ModelProto

PACKAGE: Final = "face_recognition_models"
DETECTOR, EMBEDDER, LANDMARKS = "detector.onnx", "embedder.onnx", "landmarks.npz"

SOURCES: Final = {
    "mmod_human_face_detector.dat": "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
}
"""sha256 of the files as published by face_recognition_models 0.3.0 and dlib.net."""

_REINSTALL: Final = f"install it again: pip install --force-reinstall {PACKAGE}==0.3.0"


def build(folder: Path, report: Callable[[str], None]) -> None:
    """Writes detector.onnx, embedder.onnx and landmarks.npz into `folder`, always the same bytes.

    Takes seconds, so `report` gets a line a step; call it off the event loop. Raises NeedsHuman where the
    package is missing or its files are not the published ones, OSError where `folder` cannot be written.
    """
    from . import embedder, mmod
    from .landmarks import ShapePredictor

    report("checking the weights of face_recognition_models")
    detector_data, embedder_data, landmarks_data = (source(name) for name in SOURCES)
    try:
        report("building the face detector (1 of 3)")
        _write(mmod.convert(detector_data), folder / DETECTOR)
        report("building the face embedder (2 of 3)")
        _write(embedder.convert(embedder_data), folder / EMBEDDER)
        report("building the landmark model (3 of 3)")
        ShapePredictor.parse(landmarks_data).save(folder / LANDMARKS)
    except DamagedFileError as error:
        raise NeedsHuman(f"the package {PACKAGE} cannot be read: {error}", hint=_REINSTALL) from error


def source(name: str) -> bytes:
    """The verified contents of one of SOURCES; the package itself, which needs pkg_resources, is never imported."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/models/{name}")))
        data = path.read_bytes()
    except PackageNotFoundError as error:
        raise NeedsHuman(
            f"the package {PACKAGE} is not installed", hint=f"install it: pip install {PACKAGE}==0.3.0"
        ) from error
    except OSError as error:
        raise NeedsHuman(f"{PACKAGE}/models/{name} cannot be read ({error.strerror})", hint=_REINSTALL) from error
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCES[name]:
        raise NeedsHuman(
            f"{PACKAGE}/models/{name} is not the published file (sha256 {found[:12]}…, expected {SOURCES[name][:12]}…)",
            hint=_REINSTALL,
        )
    return data


def _write(model: ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))
