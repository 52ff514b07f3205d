"""Packs are found, built once, verified, and built again when damaged; killed and simultaneous builds do no harm."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from hub.plugin import NeedsHuman, Permanent
from plugins.recognizers.onnx_local import installed
from plugins.recognizers.onnx_local.installed import (
    SHIPPED,
    built,
    find_pack,
    list_packs,
    model_id,
    usable,
    verify_pack,
)
from plugins.recognizers.onnx_local.manifest import MANIFEST, Manifest, load


def tiny(slope: float) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("PRelu", ["x", "slope"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [numpy_helper.from_array(np.array([[[slope]]], np.float32), "slope")],
    )
    model: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
    return model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def pack(models: Path, manifest_data: dict[str, Any]) -> Manifest:
    """An installed pack of two tiny networks."""
    folder = models / "tiny"
    folder.mkdir(parents=True)
    data = manifest_data | {"name": "tiny"}
    for part, slope in (("detector", 0.1), ("embedder", 0.2)):
        model = tiny(slope)
        (folder / data[part]["file"]).write_bytes(model)
        data[part]["sha256"] = hashlib.sha256(model).hexdigest()
    (folder / MANIFEST).write_text(yaml.safe_dump(data), encoding="utf-8")
    return load(folder)


@pytest.fixture
def said() -> list[str]:
    return []


def test_built_once_optimised_and_recorded(pack: Manifest, models: Path, said: list[str]) -> None:
    target = built(pack, models, said.append)
    assert target == models / "tiny" / pack.fingerprint
    assert said == ["model pack tiny: building it, once"]
    record = json.loads((target / "built.json").read_text())
    assert set(record["files"]) == {pack.detector.file, pack.embedder.file}
    assert record["sources"] == pack.weights
    nodes = [node.op_type for node in onnx.load(target / pack.embedder.file).graph.node]
    assert nodes == ["LeakyRelu"]
    assert built(pack, models, said.append) == target
    assert len(said) == 1
    assert verify_pack("tiny", models).state == "ready"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        (lambda target, pack: flip(target / pack.embedder.file), "is damaged"),
        (lambda target, pack: (target / pack.detector.file).unlink(), "cannot be read"),
        (lambda target, pack: (target / "built.json").write_text("{"), "built.json cannot be read"),
        (lambda target, pack: (target / "built.json").write_text("[]"), "built.json cannot be read"),
        (lambda target, pack: (target / "built.json").write_text('{"recipe": 0, "files": {}}'), "another version"),
        (lambda target, pack: (target / "built.json").unlink(), "not complete"),
    ],
)
def test_a_damaged_build_is_said_and_built_again(
    pack: Manifest, models: Path, said: list[str], damage: Callable[[Path, Manifest], Any], fact: str
) -> None:
    target = built(pack, models, said.append)
    intact = (target / pack.embedder.file).read_bytes()
    damage(target, pack)
    state = verify_pack("tiny", models)
    assert state.state == "damaged"
    assert fact in state.problem
    assert built(pack, models, said.append) == target
    assert fact in said[-1]
    assert "building it again" in said[-1]
    assert (target / pack.embedder.file).read_bytes() == intact
    assert verify_pack("tiny", models).state == "ready"
    assert sorted(path.name for path in target.parent.iterdir() if path.name.startswith(".")) == [".lock"]


def test_a_built_pack_needs_its_weights_no_more(pack: Manifest, models: Path, said: list[str]) -> None:
    target = built(pack, models, said.append)
    (pack.folder / pack.embedder.file).unlink()
    assert built(pack, models, said.append) == target
    flip(target / pack.detector.file)
    with pytest.raises(NeedsHuman, match="not installed"):
        built(pack, models, said.append)


def test_weights_that_are_not_the_published_ones_are_refused(pack: Manifest, models: Path, said: list[str]) -> None:
    flip(pack.folder / pack.detector.file)
    with pytest.raises(NeedsHuman, match="is not the published file"):
        built(pack, models, said.append)
    assert not (models / "tiny" / pack.fingerprint).exists()


def test_a_file_that_is_no_network_is_refused(pack: Manifest, models: Path, said: list[str]) -> None:
    (pack.folder / pack.detector.file).write_bytes(b"<html>not found</html>")
    wrong = hashlib.sha256(b"<html>not found</html>").hexdigest()
    with pytest.raises(Permanent, match="is no ONNX model"):
        built(replace(pack, detector=replace(pack.detector, sha256=wrong)), models, said.append)
    assert not list(models.glob("tiny/.building-*"))


def test_a_folder_that_cannot_be_written_needs_a_human(pack: Manifest, tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NeedsHuman, match="cannot be built in"):
        built(pack, tmp_path / "file" / "models", said.append)


def test_shipped_packs_are_listed_and_the_missing_one_names_the_command(models: Path) -> None:
    states = {state.name: state for state in list_packs(models)}
    assert set(states) == {"dlib", "opencv_zoo"}
    assert states["dlib"].state == "not built"
    assert states["dlib"].licence == "CC0-1.0"
    assert states["opencv_zoo"].state == "not installed"
    assert "`fras models install opencv_zoo`" in states["opencv_zoo"].problem
    with pytest.raises(NeedsHuman, match="run `fras models install opencv_zoo`"):
        built(load(SHIPPED / "opencv_zoo"), models, lambda message: None)


def test_installed_packs_are_listed_beside_them(pack: Manifest, models: Path) -> None:
    (models / "broken").mkdir()
    (models / "broken" / MANIFEST).write_text("name: broken")
    states = {state.name: state for state in list_packs(models)}
    assert states["tiny"].state == "not built"
    assert states["tiny"].model_id == model_id(pack) == f"tiny-{pack.fingerprint}"
    assert states["broken"].state == "wrong"
    assert "detector: required key" in states["broken"].problem


def test_packs_are_found_by_name_and_by_path(pack: Manifest, models: Path, tmp_path: Path) -> None:
    assert find_pack("tiny", models) == pack.folder
    assert find_pack("dlib", models) == SHIPPED / "dlib"
    assert find_pack("models/tiny", tmp_path, tmp_path) == pack.folder
    assert find_pack(str(pack.folder), models, tmp_path) == pack.folder
    with pytest.raises(NeedsHuman, match="one of dlib, opencv_zoo, tiny"):
        find_pack("tinny", models)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from plugins.recognizers.onnx_local.installed import SHIPPED, built
from plugins.recognizers.onnx_local.manifest import load

def say(message):
    print(message, flush=True)
    if sys.argv[2] in message:
        os.kill(os.getpid(), signal.SIGKILL)

built(load(SHIPPED / "dlib"), Path(sys.argv[1]), say)
"""


def builder(models: Path, killed_at: str = "never") -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-c", SCRIPT, str(models), killed_at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_build_leaves_nothing_that_looks_finished(models: Path) -> None:
    killed = builder(models, "2 of 3")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert list(models.glob("dlib/.building-*"))
    assert verify_pack("dlib", models).state == "not built"
    both = [builder(models), builder(models)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("building it, once" in text for text in said) == 1
    assert verify_pack("dlib", models).state == "ready"
    assert not list(models.glob("dlib/.building-*"))


def test_every_file_is_verified_after_the_build(
    pack: Manifest, models: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not keep what was written is not hidden."""
    monkeypatch.setattr(installed, "_flush", lambda path: flip(path) if path.suffix == ".onnx" else None)
    with pytest.raises(NeedsHuman, match="does not keep"):
        built(pack, models, said.append)


def test_whether_a_pack_can_be_used_is_told_without_building_it(
    pack: Manifest, models: Path, tmp_path: Path, said: list[str]
) -> None:
    assert usable("dlib", models, tmp_path).startswith("model pack dlib: its weights are the published ones; it is bui")
    before = sorted(models.rglob("*"))
    assert usable("tiny", models, tmp_path).endswith(
        "its weights are the published ones; it is built at the first start"
    )
    assert sorted(models.rglob("*")) == before
    target = built(pack, models, said.append)
    assert usable("tiny", models, tmp_path) == "model pack tiny: its files are as they were built"
    (target / pack.detector.file).write_bytes(b"damaged")
    assert usable("tiny", models, tmp_path).endswith("is damaged, so it is built again")
    (pack.folder / pack.detector.file).write_bytes(b"of another pack")
    with pytest.raises(NeedsHuman, match="is not the published file"):
        usable("tiny", models, tmp_path)
    (pack.folder / pack.detector.file).unlink()
    with pytest.raises(NeedsHuman, match=r"is not installed: .* missing"):
        usable("tiny", models, tmp_path)
    with pytest.raises(NeedsHuman, match="there is no model pack 'dlip'"):
        usable("dlip", models, tmp_path)
