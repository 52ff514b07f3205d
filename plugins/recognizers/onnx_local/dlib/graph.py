"""From the layers of a dlib network to an ONNX graph that computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from .layers import AddPrevious, Affine, Convolution, Dense, Layer, Pool, Relu, Tag
from .serialized import DamagedFileError

OPSET, IR_VERSION = 17, 8
"""The oldest that hold everything used here, so that older runtimes read the file."""


def folded(layers: Sequence[Layer]) -> list[Layer]:
    """The same network with every affine layer that follows a convolution inside that convolution (in float64)."""
    result: list[Layer] = []
    for layer in layers:
        previous = result[-1] if result else None
        if isinstance(layer, Affine) and isinstance(previous, Convolution):
            if layer.scale.shape != previous.bias.shape:
                raise DamagedFileError("an affine layer does not fit the convolution before it")
            weights = previous.weights * layer.scale[:, None, None, None]
            result[-1] = replace(previous, weights=weights, bias=previous.bias * layer.scale + layer.shift)
        else:
            result.append(layer)
    return result


def widened(layers: Sequence[Layer], block: int = 16) -> list[Layer]:
    """The same network with idle filters added so that all but the last convolution have a multiple of `block`.

    onnxruntime keeps such convolutions in its blocked layout (45 filters it does not), which is faster. Only for
    plain chains of convolutions and Relu.
    """
    convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, Convolution)]
    result = list(layers)
    extra = 0
    for index in convolutions:
        layer = layers[index]
        assert isinstance(layer, Convolution)
        idle_inputs, extra = extra, 0 if index == convolutions[-1] else -len(layer.bias) % block
        weights = np.pad(layer.weights, ((0, extra), (0, idle_inputs), (0, 0), (0, 0)))
        result[index] = replace(layer, weights=weights, bias=np.pad(layer.bias, (0, extra)))
    return result


class Graph:
    """Nodes in the making. `tensor` is the newest output; `shape` its (channels, rows, columns), rows and columns 0
    where they are free."""

    def __init__(self, tensor: str, shape: tuple[int, int, int]) -> None:
        self.tensor = tensor
        self.shape = shape
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, values: npt.NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, values: npt.NDArray[Any]) -> str:
        """As float32. Raises DamagedFileError for what that does not hold."""
        with np.errstate(over="ignore"):
            single = np.ascontiguousarray(values, dtype=np.float32)
        if not np.isfinite(single).all():
            raise DamagedFileError("a weight is not a number, or too large for one")
        return self.constant(single)

    def add(self, layers: Sequence[Layer]) -> None:
        """Appends dlib's layers; `shape` must be known throughout when there are AddPrevious among them.

        Two kinds of residual block occur (examples/dnn_face_recognition_ex.cpp). Plain: one tag at the block's
        input, to which its output is added. Downsampling: two more at its output (a tag, then a skip back to the
        input), so that the input is pooled and the tagged output added to it.
        """
        block_input = (self.tensor, self.shape)
        block_output: tuple[str, tuple[int, int, int]] | None = None
        for index, layer in enumerate(layers):
            match layer:
                case Convolution():
                    self._convolution(layer)
                case Relu():
                    self.tensor = self.node("Relu", self.tensor)
                case Pool():
                    self._pool(layer)
                case Tag() if isinstance(layers[index - 1], Tag):
                    self.tensor, self.shape = block_input
                case Tag() if index + 1 < len(layers) and isinstance(layers[index + 1], Tag):
                    block_output = (self.tensor, self.shape)
                case Tag():
                    block_input = (self.tensor, self.shape)
                case AddPrevious():
                    self._add(block_output or block_input)
                    block_output = None
                case Dense(weights):
                    flat = self.node("Flatten", self.tensor)
                    self.tensor = self.node("MatMul", flat, self.weights(weights))
                    self.shape = (weights.shape[1], 1, 1)
                case Affine():
                    raise DamagedFileError("an affine layer stands alone")

    def model(self, name: str, inputs: ValueInfoProto, output_shape: Sequence[int | str]) -> ModelProto:
        output = helper.make_tensor_value_info(self.tensor, TensorProto.FLOAT, output_shape)
        graph: GraphProto = helper.make_graph(self._nodes, name, [inputs], [output], self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _convolution(self, layer: Convolution) -> None:
        filters, channels, *kernel = layer.weights.shape
        if channels != self.shape[0]:
            raise DamagedFileError(f"a convolution of {channels} channels follows {self.shape[0]}")
        operator, weights, padding = "Conv", layer.weights, list(layer.padding)
        if filters == 1 and layer.stride == (1, 1):
            # The same sums, but onnxruntime gathers rows * columns values a cell here, times the channels there.
            operator, weights = "ConvTranspose", layer.weights[:, :, ::-1, ::-1].swapaxes(0, 1)
            padding = [side - 1 - p for side, p in zip(kernel, layer.padding, strict=True)]
        self.tensor = self.node(
            operator,
            self.tensor,
            self.weights(weights),
            self.weights(layer.bias),
            kernel_shape=kernel,
            strides=layer.stride,
            pads=padding * 2,
        )
        self._resize(filters, (kernel[0], kernel[1]), layer.stride, layer.padding)

    def _pool(self, layer: Pool) -> None:
        if layer.kernel == (0, 0):
            self.tensor = self.node("GlobalAveragePool", self.tensor)
            self.shape = (self.shape[0], 1, 1)
            return
        operator = "MaxPool" if layer.kind == "max" else "AveragePool"
        pads = [*layer.padding, *layer.padding]
        self.tensor = self.node(operator, self.tensor, kernel_shape=layer.kernel, strides=layer.stride, pads=pads)
        self._resize(self.shape[0], layer.kernel, layer.stride, layer.padding)

    def _add(self, other: tuple[str, tuple[int, int, int]]) -> None:
        tensor, shape = other
        channels, rows, columns = np.maximum(self.shape, shape).tolist()
        whole = (channels, rows, columns)
        self.tensor = self.node("Add", self._padded(self.tensor, self.shape, whole), self._padded(tensor, shape, whole))
        self.shape = whole

    def _padded(self, tensor: str, shape: tuple[int, int, int], whole: tuple[int, int, int]) -> str:
        if shape == whole:
            return tensor
        after = [big - small for big, small in zip(whole, shape, strict=True)]
        return self.node("Pad", tensor, self.constant(np.array([0] * 5 + after, dtype=np.int64)))

    def _resize(
        self, channels: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
    ) -> None:
        rows, columns = (
            (size + 2 * p - k) // s + 1 if size else 0
            for size, k, s, p in zip(self.shape[1:], kernel, stride, padding, strict=True)
        )
        self.shape = (channels, rows, columns)
