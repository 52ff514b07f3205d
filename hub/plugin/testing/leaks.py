"""Notices tasks, threads and open files that outlive a plugin."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

PATIENCE = 2.0
"""Seconds that threads and tasks get to end after they were told."""
FILES: Final = Path("/proc/self/fd")


@asynccontextmanager
async def nothing_left_running() -> AsyncIterator[None]:
    """Fails when tasks or threads started inside still run afterwards."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE
    while left := _left(tasks, threads):
        assert time.monotonic() < deadline, f"left running after closing: {', '.join(left)}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def nothing_left_open() -> AsyncIterator[None]:
    """Fails when files, sockets among them, that were opened inside are open afterwards.

    What a library opens once and keeps counts, too, so use the plugin before. Checks nothing where there is no /proc.
    """
    before = _open_files()
    yield
    deadline = time.monotonic() + PATIENCE
    while left := sorted(_open_files() - before):
        assert time.monotonic() < deadline, f"left open after closing: {', '.join(place for _, place in left)}"
        await asyncio.sleep(0.01)
        gc.collect()  # what only a reference cycle holds is as good as closed


def _open_files() -> set[tuple[str, str]]:
    """Descriptor and what it is open on; sockets and pipes have a number that nothing else has."""
    found = set()
    for descriptor in FILES.iterdir() if FILES.is_dir() else ():
        with suppress(OSError):  # that of the listing itself
            found.add((descriptor.name, str(descriptor.readlink())))
    return {(name, place) for name, place in found if not place.endswith(f"/{os.getpid()}/fd")}


def _left(tasks: set[asyncio.Task[object]], threads: set[threading.Thread]) -> list[str]:
    started = [f"task {task.get_name()}" for task in asyncio.all_tasks() - tasks if not task.done()]
    # The loop's own executor keeps its idle threads.
    started += [
        f"thread {thread.name}"
        for thread in set(threading.enumerate()) - threads
        if thread.is_alive() and not thread.name.startswith("asyncio_")
    ]
    return sorted(started)
