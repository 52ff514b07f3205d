"""When a camera exposes for longer: where it is too dark for short exposures, and no longer than that.

A short exposure keeps people who walk sharp. In the dark, automatic exposure reaches its end (the longest of the
short ones at the highest gain), and pictures go black. A long one then shows at least who stands still.
"""

from __future__ import annotations

from typing import Final

DARK: Final = 55.0
"""Mean luma, 0–255: half of what automatic exposure holds wherever it can, about 110."""
NIGHT: Final = 20.0
"""Lux, as libcamera estimates them: lit corridors have 100 and classrooms 300 (EN 12464-1), emergency lights 1 to 10.
In daylight a picture may be dark for other reasons, such as a window behind a dark room."""
LOOKS: Final = 3
"""Dark looks in a row: by then automatic exposure has found its end."""
MARGIN: Final = 0.5
"""Share of the light that short exposures gather at their end; below it they suffice, with room to spare."""


class AutoExposure:
    """`long`: whether exposures are long now."""

    def __init__(self) -> None:
        self.long = False
        self._dark = 0
        self._end = 0.0

    def look(self, luma: float, lux: float, gathered: float) -> bool:
        """Takes in the mean luma of a look, the light, and exposure time × gain; says whether `long` has changed."""
        self._dark = self._dark + 1 if luma < DARK and lux < NIGHT else 0
        before = self.long
        if not self.long and self._dark >= LOOKS and gathered > 0:
            self.long, self._end = True, gathered
        elif self.long and gathered < MARGIN * self._end:
            self.long, self._dark = False, 0
        return self.long is not before
