"""Pictures brought to another size for a detector, and faces brought back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from hub.plugin import Box, Pixels

from .stages import Found


def scaled(pixels: Pixels, factor: float) -> tuple[Pixels, float, float]:
    """`pixels` scaled by about `factor`, and the exact factors across and down.

    Bilinear down to half the size, which still reads every pixel (and takes a tenth of the time); below that by area
    average.
    """
    height, width = pixels.shape[:2]
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    if size == (width, height):
        return pixels, 1.0, 1.0
    kind = cv2.INTER_LINEAR if factor > 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=kind), np.uint8), size[0] / width, size[1] / height


def moved(face: Found, across: float, down: float) -> Found:
    """`face` where it lies once its picture is `across` times as wide and `down` times as high."""
    if across == down == 1:
        return face
    box = Box(face.box.x * across, face.box.y * down, face.box.w * across, face.box.h * down)
    points = None if face.points is None else face.points * np.array([across, down], np.float32)
    return replace(face, box=box, points=points)
