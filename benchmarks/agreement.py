"""How far the default pack agrees with `face_recognition`'s CNN path at the same enlargement, on photographs.

    python -m benchmarks.agreement [--data ../shared/data] [--probes 60] [--width 640]

Each photograph goes through face_recognition (dlib's own code: locate with model "cnn", enlarged once, then encode)
and through the recogniser as the hub runs it with `min_face: 40`. Prints a summary, then the same as a JSON line.
face_recognition takes about two seconds for a 250×250 photograph and seven for 640×480.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hub.plugin import Box, Picture, Pixels
from plugins.recognizers.onnx_local.installed import built, find_pack
from plugins.recognizers.onnx_local.manifest import load
from plugins.recognizers.onnx_local.pack import assemble
from plugins.recognizers.onnx_local.vision import Scaling, Vision

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
    seconds: float = 0.0
    own_seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        cosines = np.array(self.cosines or [np.nan])
        return {
            "pictures": self.pictures,
            "faces_of_face_recognition": self.faces,
            "found_too": self.found,
            "found_too_share": round(self.found / max(self.faces, 1), 4),
            "same_box_to_the_pixel": self.same_box,
            "found_in_addition": self.own_more,
            "cosine_close_share": round(float((cosines >= CLOSE).mean()), 4),
            "cosine_lowest": round(float(cosines.min()), 6),
            "cosine_median": round(float(np.median(cosines)), 7),
            "times_faster": round(self.seconds / max(self.own_seconds, 1e-9), 1),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--probes", type=int, default=60, help="how many photographs of faces/probe")
    parser.add_argument("--width", type=int, default=640, help="scenes are shrunk to this width")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"{options.data} is not there; say where the photographs are: --data", file=sys.stderr)
        return 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import face_recognition
    tallies = {"portraits": Tally(), "scenes": Tally()}
    with tempfile.TemporaryDirectory() as folder:
        manifest = load(find_pack("dlib", Path(folder)))
        files = built(manifest, Path(folder), lambda message: print(message, file=sys.stderr))
        vision = assemble(manifest, files, threads=options.threads, scaling=Scaling(min_face=40, largest=8_300_000))
    for kind, pixels in photographs(options.data, options.probes, options.width):
        compare(vision, face_recognition, pixels, tallies[kind])
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for kind, tally in tallies.items():
        for name, value in tally.summary().items():
            print(f"{kind:10} {name.replace('_', ' '):28} {value}")
    print(json.dumps({"benchmark": "agreement", **{kind: tally.summary() for kind, tally in tallies.items()}}))
    return 0


def photographs(data: Path, probes: int, width: int) -> Iterator[tuple[str, Pixels]]:
    portraits = sorted((data / "faces/probe").glob("*/*.jpg"))
    for path in portraits[:: max(len(portraits) // max(probes, 1), 1)][:probes]:
        yield "portraits", read(path)
    for path in sorted([*(data / "scenes/test").glob("*.jpg"), *(data / "scenes/groups").glob("*.jpg")]):
        pixels = read(path)
        height = round(pixels.shape[0] * width / pixels.shape[1])
        yield "scenes", np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def read(path: Path) -> Pixels:
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def compare(vision: Vision, face_recognition: Any, pixels: Pixels, tally: Tally) -> None:
    began = time.perf_counter()
    places = face_recognition.face_locations(pixels, number_of_times_to_upsample=1, model="cnn")
    encodings = face_recognition.face_encodings(pixels, places)
    between = time.perf_counter()
    height, width = pixels.shape[:2]
    (sight,) = vision.embed([vision.look(Picture(pixels, width, height))], [False])
    tally.own_seconds += time.perf_counter() - between
    tally.seconds += between - began
    tally.pictures += 1
    tally.faces += len(places)
    tally.own_more += max(len(sight.faces) - len(places), 0)
    for (top, right, bottom, left), encoding in zip(places, encodings, strict=True):
        theirs = (left, top, right, bottom)
        overlap, face = max(
            ((iou(theirs, corners(face.box, width, height)), face) for face in sight.faces),
            key=lambda pair: pair[0],
            default=(0, None),
        )
        if face is not None and overlap >= SAME_FACE:
            tally.found += 1
            tally.same_box += (left, top) == (max(face.box.x, 0), max(face.box.y, 0))
            own = face.embedding
            tally.cosines.append(float(own @ encoding / np.linalg.norm(own) / np.linalg.norm(encoding)))


def corners(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """Trimmed to the picture, as face_recognition trims."""
    return max(box.x, 0), max(box.y, 0), min(box.x + box.w, width), min(box.y + box.h, height)


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two rectangles: left, top, right, bottom."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    common = max(across, 0) * max(down, 0)
    return common / (sum((r[2] - r[0]) * (r[3] - r[1]) for r in (one, other)) - common)


if __name__ == "__main__":
    raise SystemExit(main())
