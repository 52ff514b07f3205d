"""Which numbers of a node's log are settled. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

APART: Final = 4096
"""Numbers beyond the first gap that are remembered; the rest is only told anew when it is sent again."""


class Numbers:
    """`acknowledged`: everything up to it is settled. `highest`: the highest number seen."""

    def __init__(self, acknowledged: int, highest: int) -> None:
        self.acknowledged = acknowledged
        self.highest = max(highest, acknowledged)
        self._apart: list[tuple[int, int]] = []

    def settle(self, first: int, last: int) -> None:
        """Numbers `first` to `last`, both included, have come to their end."""
        self.highest = max(self.highest, last)
        if last <= self.acknowledged:
            return
        self._apart = sorted([*self._apart, (first, last)])[:APART]
        while self._apart and self._apart[0][0] <= self.acknowledged + 1:
            self.acknowledged = max(self.acknowledged, self._apart.pop(0)[1])


def ranges(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same numbers in as few ranges as there can be; first and last are included."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)
