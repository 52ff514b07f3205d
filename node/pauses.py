"""How long a node waits before it connects again, so that two hundred of them do not come at once."""

from __future__ import annotations

import random
from typing import Final

from node.wire import Close

SHORTEST: Final = 1.0
LONGEST: Final = 60.0
RARELY: Final = 300.0
"""Seconds between two tries of a node that a person has to help first."""
RESTART: Final = 30.0
_LONG: Final = frozenset({Close.MALFORMED, Close.DUPLICATE, Close.TOO_FAST})
_RARE: Final = frozenset({Close.UNAUTHORISED, Close.VERSION})


class Pauses:
    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.SystemRandom()
        self._next = SHORTEST

    def worked(self) -> None:
        """The hub took the node in."""
        self._next = SHORTEST

    def after(self, code: int | None) -> float:
        """Seconds to wait after a connection that ended with this code, or None where there was none."""
        if code == Close.STOPPING:
            return self._chance.uniform(0, RESTART)
        if code in _LONG or code in _RARE:
            longest = LONGEST if code in _LONG else RARELY
            return self._chance.uniform(longest / 2, longest)
        pause, self._next = self._next, min(LONGEST, 2 * self._next)
        return self._chance.uniform(pause / 2, pause)
