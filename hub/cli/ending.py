"""How a command ends: soon after Ctrl-C or SIGTERM, and whatever hangs then, since all that matters is on disk."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Self

from hub.cli import SIGNALS

STOP_WITHIN = 4.5
"""Seconds from a signal to the end of the process, whatever plugins and disks do."""
LINGER = 2.0
"""Seconds that tasks and threads which do not end get once the command has its exit code."""
LAST_WORDS = 0.2
"""Seconds to write the last line, which a full pipe would hold up for ever."""


class Ending:
    """Use it around `asyncio.run`. The first signal cancels the command; an alarm leaves what does not end."""

    def __init__(self, stopping: Callable[[], None]) -> None:
        """`stopping` is called in the event loop when a signal has come."""
        self.asked: signal.Signals | None = None
        """The first signal that asked for the end."""
        self._stopping = stopping
        self._code: int | None = None
        self._cancel: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._overdue)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    async def heed(self, command: Coroutine[Any, Any, int]) -> int:
        """The command's exit code."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(command)

        def cancel() -> None:
            if not task.done():
                self._stopping()
                task.cancel()

        self._cancel = lambda: loop.call_soon_threadsafe(cancel)
        if self.asked:
            self._cancel()
        try:
            self._code = await task
        finally:
            self._cancel = None
        if self.asked is None:
            signal.setitimer(signal.ITIMER_REAL, LINGER)
        return self._code

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = signal.Signals(number)
            signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN)
            if self._cancel:
                self._cancel()

    def _overdue(self, number: int, frame: FrameType | None) -> None:
        if self._code is None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, LAST_WORDS)
            os.write(2, b"fras: left at once, for something did not end; what was finished is kept\n")
        os._exit(1 if self._code is None else self._code)
