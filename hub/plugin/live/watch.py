"""Which pictures of a live camera the hub gets to see, and what it learns of the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Final

from ..context import PluginContext
from ..types import CameraEvent, Frame, Heartbeat
from .glimpse import Glimpse
from .shots import Shot

BEAT: Final = 10.0
"""Seconds between heartbeats; what a camera watched counts as long as signs of it are less than a minute apart."""
DARK_SAID: Final = "shows nothing but darkness; is the lens covered, or the room unlit?"
FROZEN_SAID: Final = "shows the very same picture for minutes; restart the camera"
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
    eye = _Eye(context, still_every.total_seconds())
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

    def __init__(self, context: PluginContext, still_every: float) -> None:
        self._id = context.instance_id
        self._log = context.logger
        self._still_every = still_every
        self._last: Glimpse | None = None
        self._new_at = 0.0
        """When the last picture that differed from the one before was seen."""
        self._sent: Glimpse | None = None
        self._sent_at = 0.0
        self._trouble = ""
        self._trouble_at = 0.0
        self._told = False

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
        self._tell(FROZEN_SAID if frozen else DARK_SAID if lens == 0 else "", now)
        if lens == 0 or again:
            return False, lens
        overdue = now - self._sent_at >= self._still_every
        return self._sent is None or overdue or glimpse.moved(self._sent), lens

    def passed(self, glimpse: Glimpse, now: float) -> None:
        self._sent, self._sent_at = glimpse, now

    def _tell(self, trouble: str, now: float) -> None:
        """Once when it has lasted a while, and once when it is over."""
        if trouble != self._trouble:
            if self._told and not trouble:
                self._log.info("%s: sees again", self._id)
            self._trouble, self._trouble_at, self._told = trouble, now, False
        if trouble and not self._told and now - self._trouble_at >= BEAT:
            self._told = True
            self._log.warning("%s: %s", self._id, trouble)
