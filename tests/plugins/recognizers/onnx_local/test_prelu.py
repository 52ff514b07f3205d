"""PRelu is rewritten with equal output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from plugins.recognizers.onnx_local.prelu import rewrite
from plugins.recognizers.onnx_local.sessions import Session


def network(slopes: npt.NDArray[np.generic], *, cast: bool = False) -> onnx.ModelProto:
    nodes = [helper.make_node("Cast", ["slopes"], ["cast"], to=TensorProto.FLOAT)] if cast else []
    nodes.append(helper.make_node("PRelu", ["x", "cast" if cast else "slopes"], ["y"]))
    nodes.append(helper.make_node("Add", ["y", "y"], ["z"]))
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [numpy_helper.from_array(slopes, "slopes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("slopes", "expected"),
    [
        (np.array([[[0.25]]], np.float32), ["LeakyRelu", "Add"]),
        (np.full((3, 1, 1), 0.1, np.float32), ["LeakyRelu", "Add"]),
        (np.array([-0.3, 0.2, 1.7], np.float32).reshape(3, 1, 1), ["Relu", "Mul", "Mul", "Add", "Add"]),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_the_output_stays_the_same(slopes: npt.NDArray[np.float32], expected: list[str], half: bool) -> None:
    model = network(slopes.astype(np.float16) if half else slopes, cast=half)
    batch = np.random.default_rng(1).normal(0, 3, (2, 3, 4, 4)).astype(np.float32)
    before = Session(model.SerializeToString(), threads=1, arena=False)(batch)[0]
    assert rewrite(model) == 1
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == expected
    after = Session(model.SerializeToString(), threads=1, arena=False)(batch)[0]
    np.testing.assert_allclose(after, before, atol=2e-6)


def test_slopes_computed_at_run_time_are_left_alone() -> None:
    model = network(np.array([0.5], np.float32))
    model.graph.node.insert(0, helper.make_node("Abs", ["slopes"], ["cast"]))
    model.graph.node[1].input[1] = "cast"
    assert rewrite(model) == 0
    assert "PRelu" in operators(model)


@pytest.mark.shared
def test_a_published_network_answers_the_same(shared: Path) -> None:
    model = onnx.load(shared / "models" / "face_reid_retail_0095_fp16w.onnx")
    batch = np.random.default_rng(2).uniform(0, 255, (2, 3, 128, 128)).astype(np.float32)
    before = Session(model.SerializeToString(), threads=2, arena=True)(batch)[0]
    assert rewrite(model) == 48
    assert "PRelu" not in operators(model)
    after = Session(model.SerializeToString(), threads=2, arena=True)(batch)[0]
    np.testing.assert_allclose(after, before, atol=2e-6)
