"""How long frames wait that cannot be recognised: whole pictures of everybody do not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from hub.inbox import Pending
from hub.plugin import Clock
from hub.plugin.validators import format_duration

HOPELESS: Final = timedelta(hours=1)
"""How long recognition must have failed, without a success, before anything is given up. A hub that was off for days
has had no chance to recognise what waits; one that makes progress will come to it."""


class Overdue:
    """Says which frames are given up; those are late that have waited for more than `keep` since the hub has them."""

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        self._clock = clock
        self._before = datetime.min.replace(tzinfo=UTC)
        self.keep = keep

    @property
    def reason(self) -> str:
        """Why they were given up, for staff."""
        waited = f"it has waited for more than {format_duration(self.keep)} (storage->keep->frames)"
        return f"{waited}, and nothing of its camera could be recognised for {format_duration(HOPELESS)}"

    async def sweep(self) -> None:
        """From now on those are late that are so now: the clock is trusted only when this is called."""
        self._before = self._clock.now() - self.keep

    def given_up(self, frame: Pending, failing: float) -> bool:
        """`failing` is for how many seconds of this process, without a success, frames of its lane have failed."""
        return failing >= HOPELESS.total_seconds() and frame.received_at < self._before
