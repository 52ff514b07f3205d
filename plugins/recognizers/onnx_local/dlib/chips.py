"""Aligned face chips, cut as dlib cuts them (get_face_chip_details and extract_image_chips in
dlib/image_transforms/interpolation.h), so that embeddings equal dlib's."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from hub.plugin import Pixels

from ..stages import Chips
from .embedder import SIZE
from .landmarks import Landmarks
from .pyramid import HALVING, TRUNCATION
from .similarity import similarity

PADDING: Final = 0.25
"""Room around the mean face on each side, as part of the face: what dlib's embedder was trained with."""

_MEAN_FACE: Final = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
"""The five landmarks in a unit square (get_face_chip_details)."""

_TEMPLATE: Final = (PADDING + _MEAN_FACE) / (2 * PADDING + 1) * SIZE

_GRID: Final = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1)
"""Shape (150, 150, 2): x, y of every pixel of a chip."""


def extract(pixels: Pixels, landmarks: Landmarks) -> Chips:
    """One upright chip (150, 150, 3) for each face; black where it reaches beyond the picture's pixel centres."""
    chips = np.empty((len(landmarks), SIZE, SIZE, 3), dtype=np.uint8)
    rotations, shifts = similarity(_TEMPLATE, landmarks)
    for chip, rotation, shift in zip(chips, rotations, shifts, strict=True):
        chip[...] = _chip(pixels, rotation, shift)
    return chips


def _chip(pixels: Pixels, rotation: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]) -> Pixels:
    """The chip whose template lies in the picture at rotation @ point + shift.

    Faces much larger than the chip are cut from a halved picture, halved again while twice the chip still fits:
    bilinear sampling alone would skip pixels.
    """
    scale, angle = math.hypot(rotation[0, 0], rotation[1, 0]), math.atan2(rotation[1, 0], rotation[0, 0])
    turn = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    half_side = (SIZE * scale - 1) / 2
    centre = rotation @ np.full(2, SIZE / 2) + shift
    corners = centre + half_side * np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)]) @ turn.T

    levels, side = 0, 2 * half_side
    while (side / 2 + 1) ** 2 > SIZE * SIZE:
        levels, side = levels + 1, side / 2
    grow = 2 ** (levels + 2) - 2
    left, top = np.maximum(np.floor(corners.min(axis=0) - grow + 0.5), 0).astype(int)
    right, bottom = np.maximum(np.floor(corners.max(axis=0) + grow + 1.5), 0).astype(int)
    source = pixels[top:bottom, left:right].astype(np.float32)
    corners = corners - (left, top)
    for _ in range(levels):
        source = _halved(source)
        corners = corners / 2 - HALVING
    if min(source.shape[:2]) < 2:
        return np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    across, down = (corners[1] - corners[0]) / (SIZE - 1), (corners[2] - corners[0]) / (SIZE - 1)
    matrix = np.column_stack([across, down, corners[0]])
    sampled = cv2.warpAffine(source, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    last = np.array(source.shape[1::-1]) - 1
    if (corners < 0).any() or (corners >= last).any():
        places = _GRID @ matrix[:, :2].T + matrix[:, 2]
        sampled[~((places >= 0) & (places < last)).all(axis=-1)] = 0
    return (sampled + TRUNCATION).astype(np.uint8)


def _halved(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """dlib's pyramid_down<2>: 5×5 binomial filter, every second pixel, fraction cut off; nothing of up to 8 pixels."""
    height, width = picture.shape[:2]
    if min(height, width) <= 8:
        return picture[:0, :0]
    halved = cv2.pyrDown(picture)[1 : 1 + (height - 3) // 2, 1 : 1 + (width - 3) // 2]
    return np.floor(halved)
