"""Notices tasks and threads that outlive a plugin."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 2.0
"""Seconds that threads and tasks get to end after they were told."""


@asynccontextmanager
async def nothing_left_running() -> AsyncIterator[None]:
    """Fails when tasks or threads started inside still run afterwards."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE
    while left := _left(tasks, threads):
        assert time.monotonic() < deadline, f"left running after closing: {', '.join(left)}"
        await asyncio.sleep(0.01)


def _left(tasks: set[asyncio.Task[object]], threads: set[threading.Thread]) -> list[str]:
    started = [f"task {task.get_name()}" for task in asyncio.all_tasks() - tasks if not task.done()]
    # The loop's own executor keeps its idle threads.
    started += [
        f"thread {thread.name}"
        for thread in set(threading.enumerate()) - threads
        if thread.is_alive() and not thread.name.startswith("asyncio_")
    ]
    return sorted(started)
