"""Notices that something blocks the event loop, and says what."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

BLOCKED_AFTER = 1.0
"""Seconds without a tick that count as blocked; sixty frames of a camera have passed by then."""

_log = logging.getLogger("fras.watchdog")


class Watchdog:
    """A daemon thread that watches the running loop while it is entered (`with Watchdog(...)`).

    `modules` tells which module belongs to which platform (`{"plugins.cameras.folder": "folder"}`); it is asked
    when needed, from the watching thread. Each time the loop blocks is logged once, with the plugin, the place
    and, when it ticks again, how long it took.
    """

    def __init__(self, modules: Callable[[], Mapping[str, str]], *, blocked_after: float = BLOCKED_AFTER) -> None:
        self._modules = modules
        self._blocked_after = blocked_after
        self._interval = blocked_after / 4
        self._ended = threading.Event()
        self._beat = time.monotonic()

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._tick()
        threading.Thread(target=self._watch, name="fras.watchdog", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._timer.cancel()

    def _tick(self) -> None:
        self._beat = time.monotonic()
        self._timer = self._loop.call_later(self._interval, self._tick)

    def _watch(self) -> None:
        blocked_since: float | None = None
        woken = time.monotonic()
        while not self._ended.wait(self._interval):
            now, slept = time.monotonic(), time.monotonic() - woken
            woken = now
            if blocked_since is not None and self._beat > blocked_since:
                _log.info("the event loop runs again after %.1f s", self._beat - blocked_since)
                blocked_since = None
            elif slept > self._interval + self._blocked_after:
                continue  # the whole process stood still (a debugger, SIGSTOP): nobody's fault
            elif blocked_since is None and now - self._beat > self._blocked_after + self._interval:
                blocked_since = self._beat
                with suppress(Exception):  # frames may vanish while they are looked at
                    _log.warning("%s", self._accusation(now - self._beat))

    def _accusation(self, seconds: float) -> str:
        frame = sys._current_frames().get(self._thread_id)
        task = asyncio.current_task(self._loop)
        name = task.get_name() if task else ""
        platform, culprit = self._plugin_in(frame)
        if platform:
            who = name if name.startswith("plugin ") else f"plugin {platform}"
        else:
            who = f"the hub's own code (task {name!r})" if name else "the hub's own code"
        place = f" in {_place(culprit or frame)}" if frame else ""
        return (
            f"{who} blocks the event loop for {seconds:.1f} s already{place}: nothing else runs meanwhile;"
            " blocking work belongs into context.run_blocking"
        )

    def _plugin_in(self, frame: FrameType | None) -> tuple[str, FrameType | None]:
        """The innermost frame that belongs to a plugin."""
        modules = dict(self._modules())
        while frame:
            name: str = frame.f_globals.get("__name__", "")
            for module, platform in modules.items():
                if name == module or name.startswith(f"{module}."):
                    return platform, frame
            frame = frame.f_back
        return "", None


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{Path(code.co_filename).name}, line {frame.f_lineno}, {code.co_name}"
