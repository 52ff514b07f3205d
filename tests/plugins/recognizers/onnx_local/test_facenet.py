"""Chips reach a planar network normalised as the manifest says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plugins.recognizers.onnx_local.facenet import PlanarFaceNet
from plugins.recognizers.onnx_local.manifest import EmbedderPart
from plugins.recognizers.onnx_local.stages import Tensor


class Means:
    """A network whose embedding is the mean of each channel; keeps what it was given."""

    def __call__(self, batch: npt.NDArray[Any]) -> list[Tensor]:
        self.batch = batch
        return [batch.mean(axis=(2, 3))]


def net(network: Means, **options: Any) -> PlanarFaceNet:
    part = EmbedderPart(file="e.onnx", sha256="0" * 64, size=8, dimension=3, metric="cosine", **options)
    return PlanarFaceNet(network, part)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 20, 30]),
        ({"channels": "BGR"}, [30, 20, 10]),
        ({"channels": "BGR", "mean": (1.0, 2.0, 4.0), "scale": 0.5}, [14.5, 9, 3]),
    ],
)
def test_normalisation(options: dict[str, Any], expected: list[float]) -> None:
    network = Means()
    chips = np.zeros((2, 8, 8, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    embeddings = net(network, **options).embed(chips)
    np.testing.assert_allclose(embeddings, [expected, expected])
    assert network.batch.shape == (2, 3, 8, 8)
    assert network.batch.dtype == np.float32
    assert network.batch.flags.c_contiguous


def test_no_chips() -> None:
    assert net(Means()).embed(np.empty((0, 8, 8, 3), np.uint8)).shape == (0, 3)
