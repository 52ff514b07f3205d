"""Pictures of a QR code on a screen or a sheet of paper, as a camera module over a door would take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import segno

if TYPE_CHECKING:
    import numpy.typing as npt

WIDTH, HEIGHT = 1640, 1232
"""What the sensor delivers; the reader gets it reduced."""


@dataclass(frozen=True, slots=True)
class Shot:
    """How a code is photographed.

    `share`: of the picture's width that the code takes; `tilt`: degrees by which it leans away; `turn`: degrees in the
    plane; `blur`: standard deviation, and `shake`: length, in pixels of the sensor; `noise`: standard deviation in
    levels; `light`: of white, as share of full; `contrast`: of what lies between black and white; `shade`: how much
    darker one side is; `glare`: whether a lamp is mirrored on it; `inverted`: a dark theme.
    """

    share: float = 0.4
    tilt: float = 0.0
    turn: float = 0.0
    blur: float = 1.0
    shake: int = 0
    noise: float = 2.0
    light: float = 0.8
    contrast: float = 0.9
    shade: float = 0.0
    glare: bool = False
    inverted: bool = False


def photograph(text: str, shot: Shot, seed: int, size: tuple[int, int] = (640, 480)) -> npt.NDArray[np.uint8]:
    """The brightness of the picture, of `size` (width, height)."""
    chance = np.random.default_rng(seed)
    card = _card(text, shot)
    scene = cv2.GaussianBlur(chance.uniform(0.1, 0.6, (12, 16)), (0, 0), 1)
    scene = cv2.resize(scene, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    place = _place(card.shape[0], shot, chance)
    flat = {"dsize": (WIDTH, HEIGHT), "flags": cv2.INTER_AREA}
    seen = cv2.warpPerspective(card, place, **flat)
    covers = cv2.warpPerspective(np.ones_like(card), place, **flat)
    picture = scene * (1 - covers) + covers * (0.5 + (seen - 0.5) * shot.contrast)
    across = np.linspace(-1, 1, WIDTH)[None, :] * np.cos(a := chance.uniform(0, 6.3))
    picture *= shot.light * (1 - shot.shade * (across + np.linspace(-1, 1, HEIGHT)[:, None] * np.sin(a) + 1) / 2)
    if shot.glare:
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        at = chance.uniform(0.4, 0.6, 2) * (WIDTH, HEIGHT)
        picture += 0.9 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (0.08 * shot.share * WIDTH) ** 2))
    if shot.shake:
        picture = cv2.filter2D(picture, -1, np.full((1, shot.shake), 1 / shot.shake))
    if shot.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), shot.blur)
    picture = 255 * picture + chance.normal(0, shot.noise, picture.shape)
    reduced = cv2.resize(np.clip(picture, 0, 255).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.round(reduced).astype(np.uint8)


def _card(text: str, shot: Shot) -> npt.NDArray[np.float64]:
    """The code with its margin, eight pixels a module, 0 black to 1 white."""
    code = segno.make_qr(text, error="l", boost_error=True)
    modules = np.array([[1 - int(dark) for dark in row] for row in code.matrix_iter(border=4)], np.float64)
    drawn: npt.NDArray[np.float64] = np.kron(1 - modules if shot.inverted else modules, np.ones((8, 8)))
    return drawn


def _place(card: int, shot: Shot, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """Where the card's corners come to lie: turned, leaning, seen from a distance of 2.5 times its width."""
    side = shot.share * WIDTH
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float) * side / 2
    lean, axis, turn = np.radians([shot.tilt, chance.uniform(0, 360), shot.turn * chance.choice((-1, 1))])
    along = np.array([np.cos(axis), np.sin(axis)])
    depth = corners @ along * np.sin(lean)
    corners -= np.outer(corners @ along * (1 - np.cos(lean)), along)
    corners *= (2.5 * side / (2.5 * side + depth))[:, None]
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    spare = np.maximum(0, np.array([WIDTH, HEIGHT]) / 2 - np.abs(corners).max(axis=0))
    corners += (WIDTH / 2, HEIGHT / 2) + spare * chance.uniform(-0.8, 0.8, 2)
    whole = np.array([(0, 0), (card, 0), (card, card), (0, card)], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(whole, corners.astype(np.float32)))
