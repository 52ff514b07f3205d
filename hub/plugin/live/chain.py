"""What a stream has brought since its newest key frame, and when."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A packet, and when it arrived by the monotonic clock; by the wall clock it is dated as `dated` does."""

    packet: Any
    monotonic: float


def dated(packet: Any, at: datetime) -> Any:
    """`packet` with its time of arrival for a time stamp, which its picture will carry through the decoder.

    A decoder that reorders gives pictures later than their packets, and after the packets of others.
    """
    packet.pts, packet.dts = (at - _EPOCH) // timedelta(microseconds=1), None
    return packet


def arrived(what: Any) -> datetime:
    """When a dated packet arrived, or that of a decoded `av.VideoFrame`."""
    return _EPOCH + timedelta(microseconds=what.pts)


class Chain:
    """A key frame and what builds on it, in order. One thread appends, another takes; each counts for itself."""

    def __init__(self, *arrivals: Arrival) -> None:
        self._arrivals: deque[Arrival] = deque()
        self._appended = self._taken = 0
        for arrival in arrivals:
            self.append(arrival)

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def head(self) -> Arrival:
        return self._arrivals[0]

    @property
    def size(self) -> int:
        """Bytes that wait to be taken."""
        return self._appended - self._taken

    def append(self, arrival: Arrival) -> None:
        self._appended += arrival.packet.size
        self._arrivals.append(arrival)

    def take(self) -> Arrival:
        arrival = self._arrivals.popleft()
        self._taken += arrival.packet.size
        return arrival
