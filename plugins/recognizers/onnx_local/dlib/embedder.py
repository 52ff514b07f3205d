"""dlib's face embedder as an ONNX graph, and as a stage of the pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..stages import Chips, Network, Tensor
from .serialized import Reader

if TYPE_CHECKING:
    from onnx import ModelProto

SIZE: Final = 150
DIMENSION: Final = 128


def convert(data: bytes) -> ModelProto:
    """The network of dlib_face_recognition_resnet_model_v1.dat.

    Input `chips`: uint8 (n, 150, 150, 3), RGB. Output: float32 (n, 128), not normalised. dlib's scaling,
    (value - mean of the channel) / 256, is inside. Raises DamagedFileError.
    """
    from onnx import TensorProto, helper

    from .graph import Graph, folded
    from .layers import read_layers, read_nesting

    reader = Reader(data, "the face embedder")
    reader.expect(1)
    reader.expect("loss_metric_2")
    reader.real(), reader.real()  # margin and threshold of the training
    nesting = read_nesting(reader)
    reader.expect("input_rgb_image_sized")
    mean = np.array([reader.real() for _ in range(3)])
    reader.expect(SIZE), reader.expect(SIZE)
    layers = folded(read_layers(reader, nesting))

    graph = Graph("chips", (3, SIZE, SIZE))
    planes = graph.node("Transpose", graph.node("Cast", "chips", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    centred = graph.node("Sub", planes, graph.weights(mean.reshape(1, 3, 1, 1)))
    graph.tensor = graph.node("Mul", centred, graph.constant(np.array(1 / 256, dtype=np.float32)))
    graph.add(layers)
    chips = helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    return graph.model("dlib_face_recognition_resnet_model_v1", chips, ["n", DIMENSION])


class DlibFaceNet:
    """A stages.FaceNet: 128 numbers a face, compared by Euclidean distance (dlib: the same person below 0.6)."""

    dimension: int = DIMENSION

    def __init__(self, network: Network) -> None:
        self._network = network

    def embed(self, chips: Chips) -> Tensor:
        """Shape (n, 128). `chips` has shape (n, 150, 150, 3)."""
        if len(chips) == 0:
            return np.empty((0, DIMENSION), dtype=np.float32)
        return self._network(np.ascontiguousarray(chips))[0]
