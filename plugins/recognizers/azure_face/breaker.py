"""A circuit breaker: a service that is down, or refuses, is left alone for a while, and callers are told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hub.plugin import Clock, NotReady, PluginError

FAILURES: Final = 5
"""In a row, until the service counts as down."""
FIRST_REST: Final = 15.0
LONGEST_REST: Final = 300.0
"""Seconds; each attempt that fails doubles the rest before the next."""


class Breaker:
    """While the circuit is open one attempt passes after each rest; the others are told why."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._refusal: PluginError | None = None
        self._rest = FIRST_REST
        self._until = 0.0
        self._trial: Attempt | None = None

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Around one attempt to call, which then says how it went. Raises NotReady, or what the service refused with,
        while the circuit is open."""
        attempt = Attempt(self)
        if self._open:
            left = self._until - self._clock.monotonic()
            if left > 0 or self._trial:
                raise self._why(left)
            self._trial = attempt
        try:
            yield attempt
        finally:
            if self._trial is attempt:
                self._trial = None

    @property
    def _open(self) -> bool:
        return self._failures >= FAILURES or self._refusal is not None

    def _why(self, left: float) -> PluginError:
        if self._refusal is not None:
            return type(self._refusal)(self._refusal.message, hint=self._refusal.hint)
        return NotReady(
            f"Azure Face has not answered {self._failures} times in a row",
            hint=f"the next attempt is made in {max(left, 1):.0f} s; look at the network and Azure's status",
        )

    def _answered(self) -> None:
        self._failures, self._refusal = 0, None

    def _went_wrong(self, attempt: Attempt, refusal: PluginError | None) -> None:
        if self._open and attempt is not self._trial:  # it was under way when the circuit opened
            return
        self._failures += 1
        self._refusal = refusal
        if self._open:
            self._rest = min(2 * self._rest, LONGEST_REST) if attempt is self._trial else FIRST_REST
            self._until = self._clock.monotonic() + self._rest


class Attempt:
    """Use `Breaker.attempt`."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def failed(self) -> None:
        """No answer, or one that says that the service is ill."""
        self._breaker._went_wrong(self, None)

    def refused(self, problem: PluginError) -> None:
        """An answer that stays the same until a person does something: one is enough to leave the service alone."""
        self._breaker._went_wrong(self, problem)

    def answered(self) -> None:
        self._breaker._answered()
