"""A small grey version of a picture: enough to see that something moved, or that the lens sees nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Grey: TypeAlias = npt.NDArray[np.uint8]
"""Shape (90, 160), 8-bit levels, each the mean over its part of the picture."""

WIDTH: Final = 160
HEIGHT: Final = 90

BLIND: Final = 3.0
CLEAR: Final = 16.0
"""Standard deviation of the grey levels. Sensor noise averages out to less than 1; a capped or covered lens and an
unlit room stay below 3, a badly lit classroom is above 16 (pictures of ../shared: 25 to 80)."""

LEVELS: Final = 10
CELLS: Final = 4
"""So many cells that differ by so many levels are movement; a face of 40 pixels in a 1080p picture covers a dozen."""


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    grey: Grey

    @property
    def lens(self) -> float:
        """0 (nothing to see) to 1 (clear), from the contrast."""
        return min(1.0, max(0.0, (float(self.grey.std()) - BLIND) / (CLEAR - BLIND)))

    def moved(self, since: Glimpse) -> bool:
        """Whether somebody may have moved."""
        change = np.abs(self.grey.astype(np.int16) - since.grey)
        return int((change >= LEVELS).sum()) >= CELLS

    def same(self, other: Glimpse) -> bool:
        """Whether it is the very picture: a sensor never delivers one twice, a hung camera does."""
        return bool((self.grey == other.grey).all())
