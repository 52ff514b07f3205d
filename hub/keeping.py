"""What goes on in the background for the recognisers in use, and is begun anew when they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

logger = logging.getLogger("fras.keeping")


class Keeping:
    """Jobs that may take until the hub stops; one that fails ends no other."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def at_work(self) -> bool:
        return bool(self._tasks)

    def start(self, jobs: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """By what they do."""
        self._tasks = [asyncio.create_task(_guarded(what, job), name=what) for what, job in jobs.items()]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _guarded(what: str, job: Callable[[], Awaitable[None]]) -> None:
    try:
        await job()
    except Exception:  # a fault of FRAS, which must not end the hub
        logger.exception("%s has failed", what)
