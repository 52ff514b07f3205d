"""The 640×480 frames every speed bench uses, made from ../shared: one, four and ten faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from .measure import SHARED

WIDTH, HEIGHT = 640, 480
Pixels = npt.NDArray[np.uint8]


def _read(path: Path) -> Pixels:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _fit(pixels: Pixels, width: int, height: int) -> Pixels:
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def frames() -> dict[int, Pixels]:
    """RGB frames by the number of people in them.

    One and ten are mosaics of enrolment portraits on grey (the ten with faces of about 60 px); four is a group still.
    """
    portraits = sorted((SHARED / "data/faces/enrol").glob("*/*.jpg"))[::37]
    one = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    one[100:380, 180:460] = _fit(_read(portraits[0]), 280, 280)
    ten = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    for place, path in enumerate(portraits[:10]):
        row, column = divmod(place, 5)
        face = _fit(_read(path)[25:225, 35:215], 126, 140)
        ten[60 + row * 200 : 200 + row * 200, 1 + column * 128 : 127 + column * 128] = face
    four = _fit(_read(SHARED / "data/scenes/groups/bbt1.jpg"), WIDTH, HEIGHT)
    return {1: one, 4: four, 10: ten}
