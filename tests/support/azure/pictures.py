"""Faces for the fake service: a face is a square of one saturated colour on grey, and its colour is who it is."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from hub.plugin import Picture
from tests.support.colours import COLOURS

SATURATED = 60
"""Difference of the strongest and the weakest channel of a face."""


@dataclass(frozen=True)
class SeenFace:
    left: int
    top: int
    width: int
    height: int
    colour: tuple[float, float, float]

    @property
    def size(self) -> int:
        return min(self.width, self.height)

    @property
    def quality(self) -> str:
        return "high" if self.size >= 100 else "medium" if self.size >= 60 else "low"

    def overlaps(self, left: int, top: int, width: int, height: int) -> bool:
        return (
            self.left < left + width
            and left < self.left + self.width
            and self.top < top + height
            and top < self.top + self.height
        )


def crop(person: str, *, face: int = 120, brightness: int = 0, neighbour: str = "") -> Picture:
    """A crop as the hub makes it: the person's face, half its size on each side; `neighbour` looks in from the left."""
    side = 2 * face
    pixels = np.full((side, side, 3), 128, np.int16)
    if person:
        pixels[face // 2 : face // 2 + face, face // 2 : face // 2 + face] = COLOURS[person]
    if neighbour:
        pixels[side // 3 :, : face // 2 - 4] = COLOURS[neighbour]
    return Picture((pixels + brightness).clip(0, 255).astype(np.uint8), side, side)


def faces_in(image: bytes) -> list[SeenFace]:
    """Largest first, of 36 pixels and more. Raises OSError for what is no JPEG, PNG, GIF or BMP."""
    with Image.open(io.BytesIO(image), formats=("JPEG", "PNG", "GIF", "BMP")) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(np.int16)
    smallest = 36 * max(1.0, max(pixels.shape[1] / 1920, pixels.shape[0] / 1080))
    found = []
    strong = (np.ptp(pixels, axis=2) > SATURATED).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(strong)
    for label in range(1, count):
        left, top, width, height = (int(side) for side in boxes[label][:4])
        within = np.s_[top : top + height, left : left + width]
        colour = tuple(float(part) for part in np.median(pixels[within][labels[within] == label], axis=0))
        face = SeenFace(left, top, width, height, (colour[0], colour[1], colour[2]))
        if face.size >= smallest:
            found.append(face)
    return sorted(found, key=lambda face: -face.width * face.height)[:100]


def likeness(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """1 for the same colour, about 0 for another."""
    difference = np.asarray(one, np.float64) - np.asarray(other)
    return float(np.clip(1 - np.sqrt(np.mean(difference**2)) / 128, 0, 1))
