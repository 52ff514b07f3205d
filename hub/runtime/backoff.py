"""Exponential back-off with jitter."""

from __future__ import annotations

import random


class BackOff:
    """Delays in seconds that double from `first` to `longest`, each cut by up to half at random.

    The jitter keeps cameras that failed together (a switch rebooting) from returning together.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def next(self) -> float:
        delay = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 (nothing secret)

    def reset(self) -> None:
        self._failures = 0
