"""The embedder that the hub sees: one thread that works through the pictures of all callers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from hub.plugin import Model, NotReady, Picture, Sight

from .vision import BATCH, Looked, Vision

WAITING: Final = 16
"""Pictures that may wait for the thread; further callers wait before their pictures are taken."""

FRAMES: Final = 8
"""Pictures whose faces may share a batch, so that the first is not kept waiting for long."""


@dataclass(slots=True, eq=False)
class _Job:
    picture: Picture
    mirror: bool
    done: Future[Sight] = field(default_factory=Future)

    def settle(self, outcome: Sight | BaseException) -> None:
        """Hands over the outcome, unless the caller has gone or been told already."""
        with contextlib.suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self.done.set_exception(outcome)
            else:
                self.done.set_result(outcome)


class Engine:
    """An `Embedder`. Belongs to the event loop that opened it.

    The thread is a daemon, so that a network that never returns cannot hold the process at its end.
    """

    def __init__(self, model: Model, vision: Vision, logger: logging.Logger) -> None:
        self._model = model
        self._vision = vision
        self._logger = logger
        self._room = asyncio.Semaphore(WAITING)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._jobs: set[_Job] = set()
        self._closing = False
        self._ended: Future[None] = Future()
        threading.Thread(target=self._work, name="onnx_local", daemon=True).start()

    @property
    def model(self) -> Model:
        return self._model

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        """As `Embedder` has it. Raises NotReady once the engine is closed."""
        futures: list[asyncio.Future[Sight]] = []
        try:
            for picture in pictures:
                await self._room.acquire()
                futures.append(self._submit(_Job(picture, mirror)))
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        sights: list[Sight] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            sights.append(outcome)
        return sights

    async def close(self, patience: float = 5.0) -> None:
        """Ends the thread, waiting `patience` seconds for what it is doing; callers that wait get NotReady."""
        self._closing = True
        self._queue.put(None)
        _, stuck = await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=patience)
        if stuck:
            self._logger.warning("inference has not ended within %g s; its thread is left behind", patience)
            for job in tuple(self._jobs):
                job.settle(_closed())

    def _submit(self, job: _Job) -> asyncio.Future[Sight]:
        future = asyncio.wrap_future(job.done)
        future.add_done_callback(lambda _: self._forget(job))
        self._jobs.add(job)
        if self._closing:
            job.settle(_closed())
        else:
            self._queue.put(job)
        return future

    def _forget(self, job: _Job) -> None:
        self._jobs.discard(job)
        self._room.release()

    def _work(self) -> None:
        try:
            while (job := self._queue.get()) is not None:
                self._together(job)
        finally:
            self._ended.set_result(None)

    def _together(self, first: _Job) -> None:
        """Looks at `first` and at what arrives meanwhile, then embeds all of their faces at once."""
        looked: list[tuple[_Job, Looked]] = []
        job: _Job | None = first
        seen = faces = 0
        while job is not None:
            if self._closing:
                job.settle(_closed())
            elif job.done.set_running_or_notify_cancel():
                try:
                    look = self._vision.look(job.picture)
                except BaseException as error:
                    job.settle(error)
                else:
                    looked.append((job, look))
                    faces += len(look.found)
            seen += 1
            job = self._waiting() if seen < FRAMES and faces < BATCH else None
        if not looked:
            return
        try:
            sights = self._vision.embed([look for _, look in looked], [job.mirror for job, _ in looked])
        except BaseException as error:
            for job, _ in looked:
                job.settle(error)
        else:
            for (job, _), sight in zip(looked, sights, strict=True):
                job.settle(sight)

    def _waiting(self) -> _Job | None:
        try:
            job = self._queue.get_nowait()
        except Empty:
            return None
        if job is None:
            self._queue.put(None)  # the end is for _work to see
        return job


def _closed() -> NotReady:
    return NotReady("the recogniser has been closed", hint="try again once it is open")
