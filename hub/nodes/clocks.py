"""What the hub's clock said at a moment that a node names by its own clocks. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.wire import Moment

REMEMBERED: Final = 8
"""Exchanges of which the quickest counts."""
BOOTS: Final = 32
"""Starts of the board that are remembered, for frames that were captured long before they arrive."""
DRIFT: Final = 500e-6
"""How much faster or slower than the hub's a board's clock may run; crystals are within 100e-6."""
SLACK_US: Final = 2_000
OLDEST_US: Final = 366 * 86_400_000_000
AHEAD_US: Final = 5_000_000
"""How far ahead of the hub's clock a moment may seem to be: exchanges are not exact."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question of the hub and its answer, in µs: the hub's clock when it was sent and when the answer came, and the
    node's monotonic clock between the two."""

    sent: int
    received: int
    mono: int

    @property
    def quickness(self) -> int:
        return self.received - self.sent

    @property
    def began(self) -> int:
        """When the boot began by the hub's clock, within half of `quickness`."""
        return (self.sent + self.received) // 2 - self.mono

    def agrees(self, other: Exchange) -> bool:
        """Whether both can be true of one pair of clocks that neither was set nor ran astray between them."""
        apart = abs(self.mono - other.mono)
        return abs(self.began - other.began) <= (self.quickness + other.quickness) / 2 + DRIFT * apart + SLACK_US


class Unknown(Exception):
    """The moment cannot be told; the text says why."""


class Clocks:
    """Of one node. `began`: the hub's time, in µs since 1970, at which each of the last boots began."""

    def __init__(self, began: Mapping[int, int]) -> None:
        self.began = dict(began)
        self._exchanges: dict[int, deque[Exchange]] = {}

    def heard(self, boot: int, exchange: Exchange) -> None:
        """Learns from an answer. One that contradicts what was known is believed: the hub's clock was set.

        (A board's monotonic one never is.) What is known of its other boots moves along.
        """
        last = self._exchanges.setdefault(boot, deque(maxlen=REMEMBERED))
        if any(not exchange.agrees(other) for other in last):
            last.clear()
        last.append(exchange)
        began = min(last, key=lambda one: one.quickness).began
        set_by = began - self.began.pop(boot, began)
        if abs(set_by) > AHEAD_US:
            self.began = {other: at + set_by for other, at in self.began.items()}
            self._exchanges = {boot: last}
        self.began[boot] = began
        for forgotten in list(self.began)[:-BOOTS]:
            del self.began[forgotten]
            self._exchanges.pop(forgotten, None)

    def at(self, moment: Moment, now: int) -> int:
        """The hub's time of the moment, in µs since 1970, as far as its clock at `now` allows. Raises Unknown."""
        if (began := self.began.get(moment.boot)) is not None:
            time = began + moment.mono
        elif moment.synchronised:
            time = moment.wall
        else:
            raise Unknown("captured before the node's clock was set, in a start of the board the hub never heard of")
        if time > now + AHEAD_US:
            raise Unknown("captured later than now, by the clock it names")
        if time < now - OLDEST_US:
            raise Unknown("captured more than a year ago, by the clock it names")
        return time
