"""How long frames wait that cannot be recognised: whole pictures of everybody do not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.inbox import Pending
from hub.plugin import Clock
from hub.plugin.validators import format_duration


class Overdue:
    """Says which frames have waited for longer than `keep` since the hub has had them."""

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        self._clock = clock
        self._before = datetime.min.replace(tzinfo=UTC)
        self.keep = keep

    @property
    def reason(self) -> str:
        """Why they were given up, for staff."""
        return f"it could not be recognised within {format_duration(self.keep)} (storage->keep->frames)"

    async def sweep(self) -> None:
        """From now on those are late that are so now: the clock is trusted only when this is called."""
        self._before = self._clock.now() - self.keep

    def late(self, frame: Pending) -> bool:
        return frame.received_at < self._before
