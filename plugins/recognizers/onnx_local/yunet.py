"""YuNet: an anchor-free detector that gives a box and five points at strides 8, 16 and 32.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector" (2023). The decoding is that of OpenCV's
`FaceDetectorYN`, which the tests compare with.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hub.plugin import Box, Pixels

from .scaling import moved, scaled
from .stages import Found, Network, Tensor

STRIDES: Final = (8, 16, 32)
Boxes = npt.NDArray[np.float32]
"""Shape (n, 4): left, top, width, height in pixels."""


class YuNet:
    """A `stages.Detector`. The network's 12 outputs are class, object, box and point maps, each at three strides.

    `score` (root of class × object) and `nms` (overlap above which the weaker face goes) default to the
    publisher's suggestion.
    """

    def __init__(self, network: Network, *, smallest: int, score: float = 0.7, nms: float = 0.3) -> None:
        self.smallest = smallest
        self._network = network
        self._score = score
        self._nms = nms

    def detect(self, pixels: Pixels, scale: float = 1.0) -> list[Found]:
        pixels, across, down = scaled(pixels, scale)
        blob = _padded(pixels)
        boxes, scores, points = decode(self._network(blob), (blob.shape[2], blob.shape[3]), self._score)
        order = np.argsort(-scores, kind="stable")
        boxes, scores, points = boxes[order], scores[order], points[order]
        return [
            moved(Found(Box(*(float(side) for side in boxes[i])), float(scores[i]), points[i]), 1 / across, 1 / down)
            for i in suppress(boxes, self._nms)
        ]


def _padded(pixels: Pixels) -> Tensor:
    """BGR 0–255, shape (1, 3, h, w), black to the right and below up to multiples of 32."""
    height, width = pixels.shape[:2]
    blob = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
    for channel in range(3):
        blob[0, channel, :height, :width] = pixels[:, :, 2 - channel]
    return blob


def decode(outputs: list[Tensor], size: tuple[int, int], least: float) -> tuple[Boxes, Tensor, Tensor]:
    """Boxes (n, 4), scores (n,) and points (n, 5, 2) of the cells that score at least `least`.

    `outputs` as the network gives them (class, object, box, points; each at strides 8, 16, 32), `size` the padded
    picture's height and width.
    """
    boxes, scores, points = [], [], []
    for level, stride in enumerate(STRIDES):
        classes, objects, deltas, keypoints = (outputs[3 * kind + level][0] for kind in range(4))
        score = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
        cells = np.flatnonzero(score >= least)
        rows, columns = np.divmod(cells, size[1] // stride)
        corner = np.stack([columns, rows], axis=1).astype(np.float32)
        centre = (corner + deltas[cells, :2]) * stride
        extent = np.exp(deltas[cells, 2:]) * stride
        boxes.append(np.concatenate([centre - extent / 2, extent], axis=1))
        scores.append(score[cells])
        points.append((keypoints[cells].reshape(-1, 5, 2) + corner[:, None]) * stride)
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(points)


def suppress(boxes: Boxes, overlap: float) -> list[int]:
    """Indices of the boxes (best first) that no better one covers with more than `overlap` of their union."""
    left, top = boxes[:, 0], boxes[:, 1]
    right, bottom = left + boxes[:, 2], top + boxes[:, 3]
    area = boxes[:, 2] * boxes[:, 3]
    waiting = np.arange(len(boxes))
    kept: list[int] = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(int(best))
        across = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        down = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        common = np.maximum(across, 0) * np.maximum(down, 0)
        waiting = rest[common <= overlap * (area[best] + area[rest] - common)]
    return kept
