"""Which pictures of a live camera the hub gets to see, and what it learns of the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from logging import Logger
from typing import Final

from ..context import PluginContext
from ..types import CameraEvent, Frame, Heartbeat
from .glimpse import Glimpse
from .shots import Shot

BEAT: Final = 10.0
"""Seconds between heartbeats; what a camera watched counts as long as signs of it are less than a minute apart."""
FROZEN: Final = 300.0
"""Seconds of one and the same picture, to the last grey level, after which the camera must have hung."""


async def watch(
    context: PluginContext, take: Callable[[], Awaitable[Shot]], *, every: timedelta, still_every: timedelta
) -> AsyncGenerator[CameraEvent, None]:
    """Takes a picture each `every`: a Frame when something moved or `still_every` has passed, Heartbeats in between.

    A black picture and one that came before are never passed on: after a black one, or `FROZEN` of the same, the
    heartbeats say that the lens is blind. Raises what `take` raises.
    """
    clock = context.clock
    epoch = int(clock.now().timestamp() * 1_000_000)  # each opening numbers anew
    seq = 0
    eye = _Eye(context.logger, still_every.total_seconds())
    due = clock.monotonic()
    beat = float("-inf")
    while True:
        shot = await take()
        now = clock.monotonic()
        wanted, lens = eye.look(shot.glimpse, now)
        if wanted:
            seq += 1
            image = await context.run_blocking(shot.jpeg)
            yield Frame(epoch, seq, shot.captured_at, image, live=True)
            eye.passed(shot.glimpse, now)
        if now >= beat + BEAT:
            beat = now
            yield Heartbeat(shot.captured_at, lens)
        due = max(due + every.total_seconds(), clock.monotonic())
        await clock.sleep(due - clock.monotonic())


class _Eye:
    """Compares pictures; times are monotonic seconds."""

    def __init__(self, logger: Logger, still_every: float) -> None:
        self._logger = logger
        self._still_every = still_every
        self._last: Glimpse | None = None
        self._new_at = 0.0
        """When the last picture that differed from the one before was seen."""
        self._sent: Glimpse | None = None
        self._sent_at = 0.0
        self._blind = ""

    def look(self, glimpse: Glimpse, now: float) -> tuple[bool, float]:
        """Whether the hub should see it, and how clear the lens is."""
        again = self._last is not None and glimpse.same(self._last)
        if not again:
            self._new_at = now
        self._last = glimpse
        lens = glimpse.lens
        frozen = now - self._new_at >= FROZEN
        if frozen:
            lens = 0.0
        self._tell("shows the same picture for minutes: restart the camera" if frozen else
                   "shows nothing but darkness: is the lens covered, the room unlit?" if lens == 0 else "")  # fmt: skip
        if lens == 0 or again:
            return False, lens
        overdue = now - self._sent_at >= self._still_every
        return self._sent is None or overdue or glimpse.moved(self._sent), lens

    def passed(self, glimpse: Glimpse, now: float) -> None:
        self._sent, self._sent_at = glimpse, now

    def _tell(self, trouble: str) -> None:
        """Once, when it begins and when it is over."""
        if trouble != self._blind:
            self._blind = trouble
            if trouble:
                self._logger.warning("the camera %s", trouble)
            else:
                self._logger.info("the camera sees again")
