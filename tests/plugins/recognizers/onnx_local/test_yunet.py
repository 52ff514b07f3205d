"""YuNet's decoding and suppression, against OpenCV's own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hub.plugin import Pixels
from plugins.recognizers.onnx_local.sessions import Session
from plugins.recognizers.onnx_local.stages import Tensor
from plugins.recognizers.onnx_local.yunet import YuNet, suppress


@pytest.fixture
def detector(shared: Path) -> YuNet:
    model = (shared / "models" / "face_detection_yunet_2026may.onnx").read_bytes()
    return YuNet(Session(model, threads=2, arena=False), smallest=32)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["groups/bbt1.jpg", "groups/bbt2.jpg", "groups/bbt3.jpg", "test/kit_with_rose.jpg"])
def test_finds_what_opencv_finds(detector: YuNet, shared: Path, name: str) -> None:
    image = cv2.imread(str(shared / "data" / "scenes" / name))
    assert image is not None
    image = image[:383, :637]  # no multiple of 32
    model = str(shared / "models" / "face_detection_yunet_2023mar.onnx")
    oracle = cv2.FaceDetectorYN.create(model, "", (image.shape[1], image.shape[0]), 0.7, 0.3, 5000)
    expected = oracle.detect(image)[1]
    found = detector.detect(np.ascontiguousarray(image[:, :, ::-1], np.uint8))
    assert len(found) == len(expected) >= 2
    for face, row in zip(found, sorted(expected, key=lambda row: -row[14]), strict=True):
        assert face.points is not None
        box = [face.box.x, face.box.y, face.box.w, face.box.h]
        np.testing.assert_allclose([*box, *face.points.ravel(), face.score], row, atol=0.01)


@pytest.mark.shared
@pytest.mark.parametrize("shape", [(1, 1), (31, 700), (64, 64)])
def test_pictures_without_a_face(detector: YuNet, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


class Scripted:
    """A network whose maps hold one face at stride 16, row 2, column 3."""

    def __call__(self, batch: Tensor) -> list[Tensor]:
        _, _, height, width = batch.shape
        maps = [
            np.zeros((1, (height // stride) * (width // stride), channels), np.float32)
            for channels in (1, 1, 4, 10)
            for stride in (8, 16, 32)
        ]
        cell = 2 * (width // 16) + 3
        maps[1][0, cell] = 0.81
        maps[4][0, cell] = 1.3  # clipped to 1
        maps[7][0, cell] = [0.5, 0.25, 0, np.log(2)]
        maps[10][0, cell] = np.arange(10) / 10
        self.blob = batch
        return maps


def test_decoding_by_hand() -> None:
    network = Scripted()
    picture: Pixels = np.zeros((70, 90, 3), np.uint8)
    picture[..., 0] = 200
    (face,) = YuNet(network, smallest=1, score=0.5).detect(picture)
    assert network.blob.shape == (1, 3, 96, 96)
    assert network.blob[0, 2, :70, :90].min() == 200  # BGR: red comes last
    assert network.blob[0, :, 70:].max() == network.blob[0, :, :, 90:].max() == 0
    assert (face.box.x, face.box.y, face.box.w, face.box.h) == pytest.approx((48, 20, 16, 32))
    assert face.score == pytest.approx(0.9)
    assert face.points is not None
    np.testing.assert_allclose(face.points[0], [48, 33.6], atol=1e-4)
    np.testing.assert_allclose(face.points[4], [60.8, 46.4], atol=1e-4)


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [6, 0, 10, 10], [30, 0, 10, 10], [31, 1, 9, 9]], np.float32)
    assert suppress(boxes, 0.3) == [0, 2, 3]
    assert suppress(boxes, 0.2) == [0, 3]
    assert suppress(boxes[:0], 0.3) == []
