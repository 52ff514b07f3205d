"""News for those who follow the hub live: events of the outbox, and plugins whose state changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from hub.db import outbox
from hub.db.engine import Database
from hub.failure import Failure
from hub.runtime.health import Health, State

logger = logging.getLogger("fras.web")

LOOK = 0.4
"""Seconds between two looks at the outbox: followers wake within a second of a commit, whoever made it."""
MOST = 32
"""Followers at a time; each page that is open is one."""


class News:
    """One look at the outbox for all followers together, and none while there are none."""

    def __init__(self, database: Database, health: Callable[[], Mapping[str, Health]]) -> None:
        self._database = database
        self._health = health
        self._changed = asyncio.Condition()
        self._followers = 0
        self._first = asyncio.Event()
        self.last = 0
        """The newest event of the outbox."""
        self.states: dict[str, State] = {}
        """Of every plugin instance, by id."""
        self.ended = False
        """The hub is stopping."""

    @contextmanager
    def follower(self) -> Iterator[bool]:
        """Counts somebody who follows while entered; False when there are too many."""
        welcome = self._followers < MOST
        self._followers += 1
        self._first.set()
        try:
            yield welcome
        finally:
            self._followers -= 1

    async def look(self) -> None:
        """Brings `last` and `states` up to date and wakes those who wait. Raises DatabaseError."""
        async with self._database.read() as connection:
            last = await outbox.last(connection)
        states = {name: health.state for name, health in self._health().items()}
        if last != self.last or states != self.states:
            async with self._changed:
                self.last, self.states = last, states
                self._changed.notify_all()

    async def beyond(self, last: int, states: Mapping[str, State], seconds: float) -> None:
        """Waits, at most that many seconds, for events beyond `last`, for other `states`, or for the end."""
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self.ended or self.last > last or self.states != states)
            except TimeoutError:
                return

    def end(self) -> None:
        """Sends everybody home."""
        self.ended = True
        self._ending = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Looks from time to time while entered."""
        task = asyncio.create_task(self._watch(), name="news")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            if not self._followers:
                self._first.clear()
                await self._first.wait()
            try:
                await self.look()
            except Failure as failure:
                logger.debug("the outbox cannot be read now: %s", failure)
            await asyncio.sleep(LOOK)
