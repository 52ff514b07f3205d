"""The board's own lights (/sys/class/leds) as signs: who stands below the camera sees what it is waiting for.

Each sign is a rhythm of on and off, repeated. The lights are given back as they were found when the node ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Final

from node.parts import Leds, Sign

logger = logging.getLogger("fras.node")

FOLDER: Final = Path("/sys/class/leds")
NAMES: Final = ("ACT", "led0", "PWR", "led1")
"""The green light; where it cannot be had, the red one. Older kernels number them. The device tree knows which are
wired the other way round (the Zeros' are): 0 is dark on every board."""
RHYTHMS: Final[Mapping[Sign, Sequence[float]]] = {
    Sign.NO_NETWORK: (0.1, 0.1),
    Sign.NO_HUB: (0.1, 0.2, 0.1, 1.2),
    Sign.WANTS_CODE: (1.0, 1.0),
    Sign.UNCONFIRMED: (0.1, 0.2, 0.1, 0.2, 0.1, 1.2),
    Sign.PAIRED: (0.05, 4.95),
    Sign.HERE: (0.5, 0.1),
}
"""Seconds on, off, on, off … Nothing burns without a rhythm: steady light is what a board shows that hangs."""


class NoLeds:
    def show(self, sign: Sign) -> None:
        return


class SysLed:
    """A light of Linux. A thread keeps the rhythm, so that it does not stumble when the node is busy."""

    def __init__(self, led: Path) -> None:
        """Raises OSError where it may not be written."""
        self._brightness, self._trigger = led / "brightness", led / "trigger"
        self._full = (led / "max_brightness").read_text("ascii").strip()
        self._found = _chosen(self._trigger.read_text("ascii"))
        self._level = self._brightness.read_text("ascii").strip()
        self._trigger.write_text(self._found, "ascii")
        self._sign = Sign.OFF
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def show(self, sign: Sign) -> None:
        if sign is self._sign:
            return
        self._stop.set()
        self._sign, self._stop = sign, threading.Event()
        with self._lock, suppress(OSError):
            if sign is Sign.OFF:
                self._brightness.write_text("0", "ascii")
            self._trigger.write_text(self._found if sign is Sign.OFF else "none", "ascii")
            if sign is Sign.OFF and self._found == "none":
                self._brightness.write_text(self._level, "ascii")
        if sign is not Sign.OFF:
            threading.Thread(target=self._blink, args=(RHYTHMS[sign], self._stop), name="led", daemon=True).start()

    def _blink(self, rhythm: Sequence[float], stop: threading.Event) -> None:
        for number, seconds in enumerate(cycle(rhythm)):
            with self._lock, suppress(OSError):
                if stop.is_set():
                    return
                self._brightness.write_text("0" if number % 2 else self._full, "ascii")
            if stop.wait(seconds):
                return


def _chosen(triggers: str) -> str:
    """Of `none [mmc0] timer` mmc0."""
    return triggers.partition("[")[2].partition("]")[0] or "none"


def make_leds(folder: Path = FOLDER) -> Leds:
    for name in NAMES:
        if (folder / name).is_dir():
            try:
                return SysLed(folder / name)
            except (OSError, UnicodeDecodeError) as error:
                logger.info("The light %s stays as it is: %s", name, getattr(error, "strerror", error))
    return NoLeds()
