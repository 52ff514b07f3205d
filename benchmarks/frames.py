"""The 640×480 frames every speed bench uses, made from ../shared: none, one, four and ten faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from hub.plugin import Pixels

from .measure import shared

WIDTH, HEIGHT = 640, 480


def shown() -> list[Path]:
    """The portraits of the ten people in the mosaics, one each; the first of them is alone in the frame of one."""
    return sorted(shared("data/faces/enrol").glob("*/*.jpg"))[::37][:10]


def frames() -> dict[int, Pixels]:
    """RGB frames by the number of people in them. Raises Skipped without ../shared.

    One and ten are mosaics of enrolment portraits on grey (the ten with faces of about 60 px), four is a group
    still, and none is the same still upside down, where upright faces are looked for in vain.
    """
    portraits = shown()
    one = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    one[100:380, 180:460] = _fit(read(portraits[0]), 280, 280)
    ten = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    for place, path in enumerate(portraits):
        row, column = divmod(place, 5)
        face = _fit(read(path)[25:225, 35:215], 126, 140)
        ten[60 + row * 200 : 200 + row * 200, 1 + column * 128 : 127 + column * 128] = face
    four = _fit(read(shared("data/scenes/groups/bbt1.jpg")), WIDTH, HEIGHT)
    return {0: np.ascontiguousarray(four[::-1]), 1: one, 4: four, 10: ten}


def read(path: Path) -> Pixels:
    """RGB. Raises ValueError for what is no image."""
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f"{path} is no image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _fit(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
