"""The board's clocks, and what it knows of the hub's."""

from __future__ import annotations

import asyncio
import ctypes
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from node.wire import Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the wall clock right."""


class Clock(Protocol):
    """What the node asks for the time; tests have one that runs quicker."""

    def now(self) -> Moment: ...

    async def rest(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Waits, at most until `wake` is set."""
        ...


class BoardClock:
    """The clocks of Linux: the monotonic one counts from the start of the board, suspended time included."""

    def __init__(self) -> None:
        self._boot = _boot()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def now(self) -> Moment:
        return Moment(
            time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, self._boot, self._synchronised()
        )

    async def rest(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        if wake is None or seconds <= 0:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()

    def _synchronised(self) -> bool:
        """Whether anything (timesyncd, chrony, ntpd) has set the clock: the kernel knows."""
        struct_timex = ctypes.create_string_buffer(512)  # 208 bytes at most; all zero asks and changes nothing
        return self._libc.adjtimex(struct_timex) in range(_TIME_ERROR)


class HubTime:
    """The hub's time, from what it last said; the board's own while it has said nothing since the board started."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: int | None = None
        self._boot = 0

    def told(self, hub_now: int) -> None:
        """The hub has just said that it is `hub_now`, in microseconds since 1970."""
        here = self._clock.now()
        self._ahead, self._boot = hub_now - here.mono, here.boot

    def now(self, not_before: int = 0) -> int | None:
        """Microseconds since 1970; None when nobody said, and the wall clock is not set or is before `not_before`."""
        here = self._clock.now()
        if self._ahead is not None and here.boot == self._boot:
            return here.mono + self._ahead
        return here.wall if here.synchronised or here.wall >= not_before > 0 else None


def _boot() -> int:
    """32 random bits that stay the same for as long as the board runs."""
    try:
        return int(_BOOT_ID.read_text("ascii")[:8], 16)
    except (OSError, ValueError):
        return secrets.randbits(32)
