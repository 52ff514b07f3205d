"""What a deletion leaves behind at Azure: who was deleted is still in what the last training took from the faces. The
group is trained anew, or deleted with its last face, though nobody asks for anything and whatever the monthly cap."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from hub.plugin import PluginContext, PluginError

from .api import FaceApi
from .people import People
from .training import FIRST_LOOK, Training

FIRST_REST: Final = 60.0
LONGEST_REST: Final = 3600.0
"""Seconds between tries."""
LAST_MOMENT: Final = 3.0
"""Seconds to begin the training before the plugin closes; else it is begun when the plugin opens again."""


class Erasing:
    """Begins when it is told to, and goes on until Azure has confirmed. Use `close` in the end."""

    def __init__(
        self, api: FaceApi, people: People, training: Training, changing: asyncio.Lock, context: PluginContext
    ) -> None:
        """`changing` is held by whoever changes the group."""
        self._api = api
        self._people = people
        self._training = training
        self._changing = changing
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def begin(self) -> None:
        """Fine if there is nothing to do, or it has begun already."""
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work(), name="what deletions leave at Azure Face")

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            await _end(self._task)
            last = asyncio.create_task(self._complete(hurried=True), name="last moment of Azure Face")
            await asyncio.wait({last}, timeout=LAST_MOMENT)
            await _end(last)

    async def _work(self) -> None:
        rest, level = FIRST_REST, logging.WARNING
        while True:
            try:
                pause = await self._training.erasures_due_in()
                if pause is None:
                    return
                if pause <= 0:
                    await self._complete()
                    rest, level = FIRST_REST, logging.WARNING
            except PluginError as problem:
                self._context.logger.log(
                    level, "Azure Face is still to be trained without those who were deleted: %s", problem
                )
                pause, rest, level = rest, min(2 * rest, LONGEST_REST), logging.DEBUG
            await self._context.clock.sleep(max(pause, 0))

    async def _complete(self, *, hurried: bool = False) -> None:
        """In a hurry training is begun at once, and hardly waited for: whoever opens next sees it succeed."""
        if await self._training.erasures_due_in() is None:
            return
        async with self._changing:
            if not await self._people.anybody(anew=True):  # Azure trains no group without faces
                await self._training.outside(self._api.delete_group, capped=False)
                self._people.outdated()
                await self._training.emptied()
                return
        until = self._context.clock.monotonic() + FIRST_LOOK if hurried else None
        await self._training.settle(now=hurried, capped=False, until=until)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
