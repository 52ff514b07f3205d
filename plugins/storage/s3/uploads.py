"""Brings what waits into the bucket and deletes there, each oldest first, and says what waits and since when."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from hub.plugin import NotFound, NotReady, PluginContext, PluginError

from .bucket import Bucket
from .line import LONGEST_CALL, Line
from .meanings import Refused
from .options import PART, Options
from .queues import Queue
from .refusals import DELETED, PUT, of_one
from .spool import Busy, Spool

WORKERS: Final = 6
"""Of the plugin's eight threads, so that pictures can be looked at while others go up."""
SLOWEST: Final = 100_000
"""Bytes a second that an upload may take before it counts as stuck."""
LOOK: Final = 5.0
"""Seconds between two looks at what other processes left to do."""
SAY: Final = 60.0
"""Seconds between two words on a queue that lasts."""
BUSY_AGAIN: Final = 1.0
REFUSED_AGAIN: Final = 600.0
LOG_AGAIN: Final = 86400.0
"""Seconds until the log has a reason again that still holds."""


class Uploads:
    """`run` works until it is cancelled. What is to be put and what is to be deleted take turns, and a refusal of the
    one is none of the other."""

    def __init__(self, spool: Spool, bucket: Bucket, line: Line, options: Options, context: PluginContext) -> None:
        self._spool = spool
        self._bucket = bucket
        self._line = line
        self._options = options
        self._context = context
        self._puts = Queue()
        self._deletions = Queue()
        self._turns = [self._puts, self._deletions]
        """The one whose turn it is first."""
        self._logged: dict[str, float] = {}
        """Reason → when the log last had it, monotonic."""
        self._work = asyncio.Event()
        self._said = ""
        self._said_at = 0.0

    def to_put(self, key: str) -> None:
        self._add(self._puts, key)

    def to_delete(self, key: str) -> None:
        self._add(self._deletions, key)
        self._puts.drop(key)

    def deleted(self, key: str) -> None:
        """The bucket has nothing under `key`, whoever deleted it there."""
        self._deletions.drop(key)
        self._puts.drop(key)
        if self._spool.waits(key):  # put since
            self.to_put(key)
        self._deletions.works()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="s3 looks")
            for number in range(WORKERS):
                tasks.create_task(self._bring(first=number == 0), name=f"s3 brings {number}")

    def _add(self, queue: Queue, key: str) -> None:
        queue.add(key, self._context.clock.now().timestamp())
        self._work.set()

    async def _bring(self, *, first: bool) -> None:
        clock = self._context.clock
        while True:
            if self._line.trouble is not None:  # one knocks, and for all
                await clock.sleep(max(self._line.wait, 0.01) if first else BUSY_AGAIN)
                if not first:
                    continue
            taken = self._take()
            if taken is None:
                self._work.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BUSY_AGAIN if any(self._turns) else None):
                        await self._work.wait()
                continue
            await self._bring_one(*taken)
            self._work.set()

    def _take(self) -> tuple[Queue, str] | None:
        now = self._context.clock.monotonic()
        held = self._puts.locks | self._deletions.locks
        for queue in self._turns:
            if (key := queue.take(now, held)) is not None:
                self._turns.sort(key=lambda one: one is queue)
                return queue, key
        return None

    async def _bring_one(self, queue: Queue, key: str) -> None:
        now = self._context.clock.monotonic
        settle, other = (put, self._deletions) if queue is self._puts else (delete, self._puts)
        try:
            more = await self._line.call(
                lambda: settle(self._spool, self._bucket, key, self._options), self._spool.size(key) / SLOWEST
            )
        except Busy:
            queue.wait(key, now() + BUSY_AGAIN)
        except Refused as error:
            self._refuse(queue, key, error.message, error.hint)
        except NotFound:
            self._refuse(queue, key, f"{self._options.where} answers as if it were asked for something", "")
        except PluginError as error:
            queue.wait(key, now() + (BUSY_AGAIN if type(error) is NotReady else 0.0))
        except OSError as error:
            why = f"what waits for the bucket cannot be read: {error.strerror}"
            self._refuse(queue, key, why, "check the disk")
        else:
            queue.end(key)
            queue.works()
            if more:
                self._add(other, key)

    def _refuse(self, queue: Queue, key: str, why: str, hint: str) -> None:
        now = self._context.clock.monotonic()
        known = why in chain(self._puts.whys, self._deletions.whys)
        if now - self._logged.get(why, -math.inf) >= (LOG_AGAIN if known else REFUSED_AGAIN):
            self._logged[why] = now
            self._context.logger.warning("%s%s; it waits on this machine", why, f"; {hint}" if hint else "")
        queue.refuse(key, why, now + REFUSED_AGAIN)

    async def _look(self) -> None:
        seen: object = None
        while True:
            try:
                changed = await asyncio.to_thread(self._spool.changed_at)
                if changed != seen:
                    seen = changed
                    to_put, to_delete = await asyncio.to_thread(self._spool.scan)
                    for key, since in to_put:
                        if key not in self._puts:
                            self._puts.add(key, since)
                    for key, since in to_delete:
                        if key not in self._deletions:
                            self._deletions.add(key, since)
                            self._puts.drop(key)
                    self._work.set()
            except OSError as error:
                self._context.logger.warning("the folder of what waits cannot be read: %s", error.strerror)
            self._say()
            if self._line.trouble is not None and not any(queue.hurries for queue in self._turns):
                with suppress(PluginError):  # nobody else may ask for long
                    await self._line.call(self._bucket.look)
            await self._context.clock.sleep(LOOK)

    def _say(self) -> None:
        """In the health of this plugin."""
        waiting = self._puts.since | self._deletions.since
        now = self._context.clock.now()
        oldest = min(waiting.values(), default=now.timestamp())
        late = waiting and now.timestamp() - oldest > SAY
        text = f"{len(waiting)} to be brought to {self._options.where}, waiting since {self._moment(oldest)}"
        told = [*([text] if waiting else []), *self._why(len(waiting))]
        text = ": ".join(told) if self._line.trouble is not None or late else ""
        news = bool(text) != bool(self._said)
        if news or (text and now.timestamp() - self._said_at >= SAY):  # the same again: a failed call has wiped it out
            self._said, self._said_at = text, now.timestamp()
            self._context.progress(text)

    def _why(self, count: int) -> list[str]:
        """The reason, if there is one: of all that waits, or of how many of it."""
        if self._line.trouble is not None:
            return [self._line.trouble.message]
        whys = Counter(chain(self._puts.whys, self._deletions.whys))
        told = [why if number == count else f"{number} of them: {why}" for why, number in whys.most_common()]
        return ["; ".join(told)] if told else []

    def _moment(self, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC).astimezone(self._context.time_zone)
        recent = self._context.clock.now() - moment < timedelta(hours=20)
        return f"{moment:%H:%M}" if recent else f"{moment:%Y-%m-%d %H:%M}"


def put(spool: Spool, bucket: Bucket, key: str, options: Options) -> bool:
    """Puts what waits under `key`, unless something is to be deleted there before, and says whether it is. Raises Busy,
    Refused, and what `bucket` does."""
    with spool.claim(key):
        entry = spool.entry(key)
        if spool.is_doomed(key):  # asked after the entry was read: one that is kept behind a later note is not offered
            return True
        if entry is not None and spool.offered(key, entry):
            _put(spool, bucket, key, entry.data, options)
            spool.arrived(key, entry)
        return False


def delete(spool: Spool, bucket: Bucket, key: str, options: Options) -> bool:
    """Deletes what is to be deleted under `key`, the parts of an upload that did not end among it, and says whether
    something is to be put there now. Raises Busy, Refused, and what `bucket` does."""
    with spool.claim(key):
        erase(spool, bucket, key, options)
        if spool.has_parts(key):
            _abort(spool, bucket, key)
        return spool.concerns(key)


def erase(spool: Spool, bucket: Bucket, key: str, options: Options) -> None:
    """Deletes in the bucket what is to be deleted under `key`; while it is claimed."""
    if spool.is_doomed(key):
        with of_one(bucket, DELETED, options):
            if spool.has_parts(key):
                _abort(spool, bucket, key)
            bucket.delete(key)
        spool.deleted(key)


def replace(spool: Spool, bucket: Bucket, key: str, data: bytes, options: Options) -> None:
    """Puts past the spool, which has no room. Raises Busy, Refused, and what the bucket does."""
    with spool.claim(key, LONGEST_CALL / 2):
        erase(spool, bucket, key, options)
        before = spool.entry(key)
        _put(spool, bucket, key, data, options)
        if before is not None:
            spool.arrived(key, before)


def _put(spool: Spool, bucket: Bucket, key: str, data: bytes, options: Options) -> None:
    if len(data) >= PART:
        spool.expect_parts(key)
    with of_one(bucket, PUT, options):
        bucket.put(key, data)
    spool.parts_gone(key)


def _abort(spool: Spool, bucket: Bucket, key: str) -> None:
    bucket.abort(key)
    spool.parts_gone(key)
