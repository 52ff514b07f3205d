"""Which looks are kept: those with movement and for a while after it, one in a while without, none in the dark.

The picture is compared as means of blocks with a background that follows it slowly, so that daylight, noise and a
chair that was moved are soon nothing new. When all of it changes at once (a lamp) it counts once, and the
background is what there is now.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from node.camera import Luma
from node.mask import mask_map
from node.orders import Orders
from node.parts import Gate, Verdict
from node.wire import Moment

if TYPE_CHECKING:
    import numpy.typing as npt

Blocks: TypeAlias = "npt.NDArray[np.float32]"

COLUMNS: Final = 40
"""Blocks in a row. A face that the hub can recognise (40 pixels of 1640) is as wide as one of them."""
FOLLOW: Final = 20.0
"""Seconds in which the background has gone 63 % of the way to what is seen: what stays where it is, is forgotten
after FOLLOW × ln(change / threshold), at most a minute."""
EVERYWHERE: Final = 0.5
"""Share of the blocks that change when the light does."""
DARK: Final = 24.0
"""Luma that a twentieth of the blocks must exceed. Automatic exposure holds a lit room near 110; at a fifth of that it
has reached its end, and faces are noise."""
BLIND: Final = 3.0
CLEAR: Final = 16.0
"""Standard deviation of the blocks' luma: covered, an evenly grey picture; in a room with daylight 25 and more."""
BLURRED: Final = 0.12
SHARP: Final = 0.3
"""Roughness of fine blocks, a quarter as wide, as share of that of the blocks: of mere slopes 0.06, of photographs
0.3 to 0.6, of the same with a blur of eight pixels in 640 and a sensor's noise 0.12 to 0.14."""
FINE: Final = 4


class MotionGate:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._seen: npt.NDArray[np.bool_] | None = None
        self._background: Blocks | None = None
        self._last = 0
        self._moved: int | None = None
        self._kept: int | None = None

    def judge(self, luma: Luma, at: Moment) -> Verdict:
        side = max(1, luma.shape[1] // COLUMNS // FINE)
        fine = block_means(luma, side)
        coarse = block_means(fine, FINE) if min(fine.shape) >= FINE else fine
        blocks = self._unmasked(coarse)
        if not blocks.size:
            return Verdict(keep=False, sees=False)
        lens = _lens(blocks, fine, coarse)
        moved = self._compare(blocks, at)
        if self._orders.night == "pause" and is_dark(blocks):
            return Verdict(keep=False, sees=False, lens=0.0, dark=True)
        if moved:
            self._moved = at.mono
        held = self._moved is not None and at.mono - self._moved <= self._orders.motion.hold * 1e6
        due = self._kept is None or at.mono - self._kept >= self._orders.keepalive * 1e6
        if moved or held or due:
            self._kept = at.mono
        return Verdict(keep=moved or held or due, moved=moved or held, lens=lens)

    def _unmasked(self, means: Blocks) -> Blocks:
        if self._seen is None or self._seen.shape != means.shape:
            mask = mask_map(self._orders.mask, means.shape[1], means.shape[0])
            self._seen = np.ones(means.shape, np.bool_) if mask is None else ~mask
            self._background = None
        blocks: Blocks = means[self._seen]
        return blocks

    def _compare(self, blocks: Blocks, at: Moment) -> bool:
        passed = max(0, at.mono - self._last) / 1e6
        self._last = at.mono
        if self._background is None:
            self._background = blocks
            return False
        change = blocks - self._background
        light = float(np.median(change))
        share = float(np.count_nonzero(np.abs(change - light) > self._orders.motion.threshold)) / blocks.size
        lamp = share > EVERYWHERE or abs(light) > max(DARK, 2 * self._orders.motion.threshold)
        self._background = blocks if lamp else self._background + change * np.float32(1 - math.exp(-passed / FOLLOW))
        return lamp or (share > 0 and share >= self._orders.motion.share)


def make_gate(orders: Orders) -> Gate:
    return MotionGate(orders)


def block_means(picture: Luma | Blocks, side: int) -> Blocks:
    """Shape (height // side, width // side); what is left over at the right and below is not looked at."""
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    tiles = picture[: rows * side, : columns * side].reshape(rows, side, columns, side)
    # Along columns first: numpy adds whole rows several times as fast as it adds tiles.
    sums = tiles.sum(axis=1, dtype=np.float32).sum(axis=2)
    means: Blocks = sums / np.float32(side * side)
    return means


def is_dark(blocks: Blocks) -> bool:
    return float(np.percentile(blocks, 95)) < DARK


def _lens(blocks: Blocks, fine: Blocks, coarse: Blocks) -> float:
    """0 (covered, or dark) to 1; out of focus, a quarter."""
    clear = min(1.0, max(0.0, (float(blocks.std()) - BLIND) / (CLEAR - BLIND)))
    if not clear or fine is coarse:
        return round(clear, 2)
    sharp = (_roughness(fine) / max(_roughness(coarse), 1e-6) - BLURRED) / (SHARP - BLURRED)
    return round(clear * (0.25 + 0.75 * min(1.0, max(0.0, sharp))), 2)


def _roughness(means: Blocks) -> float:
    """The mean of second differences between neighbours, to the right and below."""
    if min(means.shape) < 3:
        return 0.0
    return sum(float(np.abs(np.diff(means, 2, axis)).mean()) for axis in (0, 1))
