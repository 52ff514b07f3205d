"""A token bucket that keeps calls below what a pricing tier allows, so that the service need not refuse them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from hub.plugin import Clock, NotReady


@dataclass(frozen=True, slots=True)
class Tier:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


TIERS: Final = {"F0": Tier(20, 60), "S0": Tier(10, 1), "E0": Tier(10, 1)}
"""The vendor's default rate limits, S0 and E0 alike, as of November 2026:
https://learn.microsoft.com/azure/ai-services/computer-vision/identity-quotas-limits"""

BURST: Final = 0.2
"""Share of a tier's calls that may be made at once; the bucket fills with the rest, so that no window has too many."""

LONGEST_ASKED: Final = 30.0
"""Seconds; a service that asks for a longer break (Retry-After) is not waited for in a call."""


def of_rate(calls_per_second: float) -> Tier:
    return Tier(int(calls_per_second), 1) if calls_per_second >= 1 else Tier(1, 1 / calls_per_second)


class Bucket:
    """Whoever comes first is served first."""

    def __init__(self, tier: Tier, clock: Clock) -> None:
        self._most = max(1.0, tier.calls * BURST)
        self._rate = tier.calls * (1 - BURST) / tier.seconds
        self._clock = clock
        self._tokens = self._most
        self._filled = clock.monotonic()
        self._closed_until = self._filled
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Waits for its turn and a token. Raises NotReady where that is a long break that the service asked for."""
        async with self._turn:
            while (wait := self._wait()) > 0:
                await self._clock.sleep(wait)
            self._tokens -= 1

    def pause(self, seconds: float) -> None:
        """The service asked for a break: nobody is let through for so long."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)

    def _wait(self) -> float:
        now = self._clock.monotonic()
        asked = self._closed_until - now
        if asked > LONGEST_ASKED:
            raise NotReady(
                f"Azure Face has asked for a break, which lasts another {asked:.0f} s",
                hint="others use the resource too, or the tier is F0",
            )
        self._tokens = min(self._most, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        missing = 1 - self._tokens
        return max(asked, missing / self._rate if missing > 1e-9 else 0.0)
