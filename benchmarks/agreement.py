"""How far the default pack agrees with `face_recognition`'s CNN path at the same enlargement, on photographs.

Each photograph goes through face_recognition (dlib's own code: locate with model "cnn", enlarged once, then encode)
and through the recogniser as the hub runs it with `min_face: 40`, but without mirror images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hub.plugin import Box, Picture, Pixels
from plugins.recognizers.onnx_local.vision import Vision

from .frames import read
from .measure import report, shared
from .packs import vision
from .peers import face_recognition

SAME_FACE = 0.7
"""Intersection over union from which two boxes are of the same face."""

CLOSE = 0.995
"""Cosine between two embeddings of the same face."""


@dataclass
class Tally:
    pictures: int = 0
    faces: int = 0
    found: int = 0
    same_box: int = 0
    own_more: int = 0
    cosines: list[float] = field(default_factory=list)

    @property
    def close(self) -> int:
        return sum(cosine >= CLOSE for cosine in self.cosines)

    def summary(self) -> dict[str, Any]:
        cosines = np.array(self.cosines or [np.nan])
        return {
            "pictures": self.pictures,
            "faces_of_face_recognition": self.faces,
            "found_too": self.found,
            "found_too_share": round(self.found / max(self.faces, 1), 4),
            "same_box_to_the_pixel": self.same_box,
            "found_in_addition": self.own_more,
            "cosine_close_share": round(self.close / max(len(self.cosines), 1), 4),
            "cosine_lowest": round(float(cosines.min()), 6),
            "cosine_median": round(float(np.median(cosines)), 7),
        }


PORTRAITS, SCENES = 8, 2
"""Without `--full`; the whole set is 60 photographs of faces/probe and every scene."""

WIDTH = 640
"""Pixels to which scenes are shrunk."""

FOUND, CLOSE_SHARE = 0.99, 0.98
"""What must be reached: the share of its faces found too, and of their embeddings that are close."""


def run(full: bool = False) -> None:
    """A line for portraits and one for scenes."""
    portraits = sorted(shared("data/faces/probe").glob("*/*.jpg"))
    scenes = [path for part in ("test", "groups") for path in sorted(shared(f"data/scenes/{part}").glob("*.jpg"))]
    if full:
        chosen = {"portraits": _spread(portraits, 60), "scenes": scenes}
    else:
        chosen = {"portraits": _spread(portraits, PORTRAITS), "scenes": _spread(scenes, SCENES)}
    theirs, own = face_recognition(), vision("dlib", 40)
    for kind, paths in chosen.items():
        tally = Tally()
        for path in paths:
            pixels = read(path)
            if kind == "scenes":
                height = round(pixels.shape[0] * WIDTH / pixels.shape[1])
                pixels = np.asarray(cv2.resize(pixels, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
            compare(own, theirs, pixels, tally)
        reached = tally.found >= FOUND * tally.faces and tally.close >= CLOSE_SHARE * tally.found
        report("agreement", of=kind, **tally.summary(), reached=reached)


def _spread(paths: Sequence[Path], count: int) -> Sequence[Path]:
    """About `count` of them, evenly."""
    return paths[:: max(len(paths) // count, 1)][:count]


def compare(own: Vision, theirs: Any, pixels: Pixels, tally: Tally) -> None:
    places = theirs.face_locations(pixels, number_of_times_to_upsample=1, model="cnn")
    encodings = theirs.face_encodings(pixels, places)
    height, width = pixels.shape[:2]
    (sight,) = own.embed([own.look(Picture(pixels, width, height))], [False])
    tally.pictures += 1
    tally.faces += len(places)
    tally.own_more += max(len(sight.faces) - len(places), 0)
    for (top, right, bottom, left), encoding in zip(places, encodings, strict=True):
        place = (left, top, right, bottom)
        overlap, face = max(
            ((iou(place, corners(face.box, width, height)), face) for face in sight.faces),
            key=lambda pair: pair[0],
            default=(0, None),
        )
        if face is not None and overlap >= SAME_FACE:
            tally.found += 1
            tally.same_box += (left, top) == (max(face.box.x, 0), max(face.box.y, 0))
            vector = face.embedding
            tally.cosines.append(float(vector @ encoding / np.linalg.norm(vector) / np.linalg.norm(encoding)))


def corners(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """Trimmed to the picture, as face_recognition trims."""
    return max(box.x, 0), max(box.y, 0), min(box.x + box.w, width), min(box.y + box.h, height)


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two rectangles: left, top, right, bottom."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    common = max(across, 0) * max(down, 0)
    return common / (sum((r[2] - r[0]) * (r[3] - r[1]) for r in (one, other)) - common)
