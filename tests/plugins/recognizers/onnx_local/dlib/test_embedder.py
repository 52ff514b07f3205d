"""The embedder against dlib's own on the same chips."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from hub.plugin import Pixels
from plugins.recognizers.onnx_local.dlib.embedder import DlibFaceNet


def test_embeddings_equal_dlibs(
    net: DlibFaceNet, dlib: ModuleType, weights: Callable[[str], str], noise: Callable[..., Pixels]
) -> None:
    oracle = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    extremes = [np.zeros((150, 150, 3), np.uint8), np.full((150, 150, 3), 255, np.uint8)]
    chips = np.stack([*(noise(150, 150, seed) for seed in range(4)), *extremes])
    expected = np.array([oracle.compute_face_descriptor(chip) for chip in chips])
    assert np.abs(net.embed(chips) - expected).max() < 1e-5


def test_a_batch_changes_nothing_and_may_be_empty_or_mirrored(net: DlibFaceNet, noise: Callable[..., Pixels]) -> None:
    chips = np.stack([noise(150, 150, seed) for seed in range(3)])
    together = net.embed(chips)
    assert together.shape == (3, net.dimension)
    assert together.dtype == np.float32
    assert np.allclose(together, np.concatenate([net.embed(chips[i : i + 1]) for i in range(3)]), atol=1e-6)
    assert net.embed(chips[:0]).shape == (0, 128)
    mirrored = chips[:, :, ::-1]
    assert np.allclose(net.embed(mirrored), net.embed(mirrored.copy()))
    assert not np.allclose(net.embed(mirrored), together)
