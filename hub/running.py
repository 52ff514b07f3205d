"""The hub at work: cameras deliver, the inbox keeps, the pipeline recognises, the registers follow."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.db import ledger
from hub.db.engine import Database
from hub.inbox import Inbox, Outcome, Pending
from hub.pipeline.backlog import Backlog
from hub.pipeline.pipeline import Pipeline
from hub.plugin import Burst, CameraEvent, Clock, Heartbeat, NeedsHuman, Permanent
from hub.registers import Projector
from hub.sweeping import Sweeper

logger = logging.getLogger("fras.hub")

LOOK_AGAIN = 60.0
"""Seconds after which today's register is drawn anew without news: lectures end, patience runs out."""
PULSE = 15.0
"""Seconds between two lines of the log that say how far recognition is, when there is news."""
DRAINING = 0.1
"""Seconds between two looks at the ledger while waiting for its last pending frame."""


class Hub:
    """Use `running`."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        backlog: Backlog[Pending],
        pipeline: Pipeline,
        projector: Projector,
        sweeper: Sweeper,
        clock: Clock,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._backlog = backlog
        self._pipeline = pipeline
        self._projector = projector
        self._sweeper = sweeper
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    async def deliver(self, camera: str, event: CameraEvent) -> None:
        """Takes what a camera saw; returning acknowledges it. A camera ahead of recognition is made to wait."""
        events = event.events if isinstance(event, Burst) else (event,)
        if frames := [event for event in events if not isinstance(event, Heartbeat)]:
            await self._backlog.room(camera)
            await self._inbox.accept_all(camera, frames)
        beats = [event for event in events if isinstance(event, Heartbeat)]
        await asyncio.gather(*(self._inbox.heartbeat(camera, beat) for beat in beats))  # they share a commit
        for beat in beats:
            self._projector.watched(beat.until)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """Frames that came to which end, since the start."""
        return self._inbox.outcomes

    async def drained(self) -> None:
        """Waits until every acknowledged frame has its outcome and the registers show it.

        Raises what only a person can mend: the frames wait for the next start.
        """
        while await self._pending():
            if isinstance(self._pipeline.waits_for, NeedsHuman | Permanent):
                raise self._pipeline.waits_for
            await self._clock.sleep(DRAINING)
        await self._projector.settle()

    async def broken(self) -> None:
        """Returns never, unless a part of the hub fails: then it raises what that part raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def start(self) -> None:
        work = (self._feed, self._pipeline.run, self._projector.run, self._look_again, self._sweeper.run, self._pulse)
        self._tasks = [asyncio.create_task(part(), name=part.__qualname__) for part in work]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pending(self) -> int:
        async with self._database.read() as connection:
            return await ledger.count_pending(connection)

    async def _feed(self) -> None:
        """Frames from the inbox to the backlog: first what waited when the hub stopped, then what arrives."""
        while True:
            frames = await self._inbox.arrived()
            await self._backlog.add(frames)

    async def _pulse(self) -> None:
        told = 0
        while True:
            await self._clock.sleep(PULSE)
            if self._pipeline.concluded_frames != told:
                told = self._pipeline.concluded_frames
                logger.info("frames recognised since the start: %d; waiting: %d", told, len(self._backlog))

    async def _look_again(self) -> None:
        while True:
            self._projector.look_again()
            await self._clock.sleep(LOOK_AGAIN)


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    hub.start()
    try:
        yield hub
    finally:
        await hub.stop()
