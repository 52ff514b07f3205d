"""Networks that do not do what their manifest says are refused at once, not at the first frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hub.plugin import Permanent, Picture
from plugins.recognizers.onnx_local.installed import built, model_id
from plugins.recognizers.onnx_local.manifest import Manifest, load
from plugins.recognizers.onnx_local.pack import assemble, model
from plugins.recognizers.onnx_local.vision import Scaling

SCALING = Scaling(min_face=40, largest=1_000_000)

pytestmark = pytest.mark.shared


@pytest.fixture
def manifest(reid_pack: Path) -> Manifest:
    return load(reid_pack)


@pytest.fixture
def ready(manifest: Manifest, tmp_path: Path) -> Path:
    return built(manifest, tmp_path / "models", lambda message: None)


def test_a_sound_pack_sees(manifest: Manifest, ready: Path) -> None:
    vision = assemble(manifest, ready, threads=1, scaling=SCALING)
    looked = vision.look(Picture(np.zeros((50, 60, 3), np.uint8), 60, 50))
    assert looked.found == ()


def test_the_model_says_what_the_manifest_says(manifest: Manifest) -> None:
    meant = model(manifest, 64)
    assert meant.id == model_id(manifest)
    assert (meant.dimension, meant.metric, meant.min_face, meant.licence) == (256, "cosine", 64, manifest.licence)
    assert (meant.threshold, meant.single_frame, meant.margin) == (0.45, 0.52, 0.1)
    assert "strangers" in meant.details["thresholds"]


def test_a_wrong_dimension(manifest: Manifest, ready: Path) -> None:
    wrong = replace(manifest, embedder=replace(manifest.embedder, dimension=128))
    with pytest.raises(Permanent, match=r"shape \(2, 256\), and the manifest says dimension 128"):
        assemble(wrong, ready, threads=1, scaling=SCALING)


def test_a_wrong_chip_size(manifest: Manifest, ready: Path) -> None:
    wrong = replace(manifest, embedder=replace(manifest.embedder, size=112))
    with pytest.raises(Permanent, match="does not run"):
        assemble(wrong, ready, threads=1, scaling=SCALING)


def test_a_detector_of_fixed_size(manifest: Manifest, ready: Path, shared: Path) -> None:
    fixed = (shared / "models" / "face_detection_yunet_2023mar.onnx").read_bytes()
    (ready / manifest.detector.file).write_bytes(fixed)
    with pytest.raises(Permanent, match="does not run"):
        assemble(manifest, ready, threads=1, scaling=SCALING)


def test_a_network_that_is_no_detector(manifest: Manifest, ready: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, "h", "w"])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [value], [output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), ready / manifest.detector.file)
    with pytest.raises(Permanent, match="yunet_reid does not run"):
        assemble(manifest, ready, threads=1, scaling=SCALING)
