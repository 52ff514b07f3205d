"""A circuit breaker: a service that is down is left alone for a while, and callers are told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hub.plugin import Clock, NotReady

FAILURES: Final = 5
"""In a row, until the service counts as down."""
FIRST_REST: Final = 15.0
LONGEST_REST: Final = 300.0
"""Seconds; each attempt that fails doubles the rest before the next."""


class Breaker:
    """A failure is no answer, or one that says the service is ill; a refusal is an answer like any other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._rest = FIRST_REST
        self._until = 0.0
        self._trying = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one attempt to call. While the circuit is open one attempt passes after each rest; the others raise
        NotReady."""
        trial = self._failures >= FAILURES
        if trial:
            left = self._until - self._clock.monotonic()
            if left > 0 or self._trying:
                raise NotReady(
                    f"Azure Face has not answered {self._failures} times in a row",
                    hint=f"the next attempt is made in {max(left, 1):.0f} s; look at the network and Azure's status",
                )
            self._trying = True
        try:
            yield
        finally:
            if trial:
                self._trying = False

    def failed(self) -> None:
        self._failures += 1
        if self._trying:
            self._rest = min(2 * self._rest, LONGEST_REST)
        elif self._failures == FAILURES:
            self._rest = FIRST_REST
        elif self._failures > FAILURES:  # it was under way when the circuit opened
            return
        self._until = self._clock.monotonic() + self._rest

    def answered(self) -> None:
        self._failures = 0
