"""How much of the hub one node, or one address, may use. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from typing import Final

ADDRESSES: Final = 4096
"""Addresses whose failures are remembered; the oldest are forgotten first."""


class Pace:
    """So many units a second, with `burst` of them at once (a token bucket)."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def wait(self, now: float, amount: float = 1) -> float:
        """Takes `amount` and says for how many seconds to pause for it; `now` is monotonic."""
        elapsed = max(0.0, now - self._at) if self._at is not None else 0.0
        self._at = now
        self._left = min(self._burst, self._left + elapsed * self._rate) - amount
        return max(0.0, -self._left / self._rate)


class Failures:
    """Addresses that failed `most` times within `window` seconds are not listened to until that has passed."""

    def __init__(self, most: int, window: float) -> None:
        self._most = most
        self._window = window
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        key = neighbourhood(address)
        self._failed.setdefault(key, deque(maxlen=self._most)).append(now)
        self._failed.move_to_end(key)
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def too_many(self, address: str, now: float) -> bool:
        failed = self._failed.get(neighbourhood(address))
        return failed is not None and len(failed) == self._most and now - failed[0] < self._window


def neighbourhood(address: str) -> str:
    """What one machine can call itself: an IPv4 address, or the 64 bits of an IPv6 network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)
