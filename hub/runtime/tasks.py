"""Ending tasks that run code we do not trust to end."""

from __future__ import annotations

import asyncio
from typing import Any


async def put_down(task: asyncio.Task[Any], seconds: float) -> bool:
    """Cancels `task` and waits at most `seconds`; says whether it ended."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=seconds)
    return task.done()


def settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Abandoned:
    """Tasks that swallowed their cancellation, kept so that nobody is surprised by them later.

    While there are any, `asyncio.run` would wait for them for ever: leave the process with `os._exit` once
    everything is flushed.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __len__(self) -> int:
        return len(self._tasks)
