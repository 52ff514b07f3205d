"""Brings what waits into the bucket, oldest first, and says what waits and since when."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.plugin import NotReady, PluginContext, PluginError

from .bucket import Bucket
from .line import LONGEST_CALL, Line
from .meanings import Refused
from .options import Options
from .spool import Busy, Spool, lock_of

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


class Uploads:
    """`run` works until it is cancelled."""

    def __init__(self, spool: Spool, bucket: Bucket, line: Line, options: Options, context: PluginContext) -> None:
        self._spool = spool
        self._bucket = bucket
        self._line = line
        self._options = options
        self._context = context
        self._queue: dict[str, float] = {}
        """Key → since when, Unix time; in the order in which they go up."""
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._work = asyncio.Event()
        self._said = ""
        self._said_at = 0.0
        self._refused: str = ""

    def add(self, key: str) -> None:
        self._queue.setdefault(key, self._context.clock.now().timestamp())
        self._work.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="s3 looks")
            for number in range(WORKERS):
                tasks.create_task(self._bring(first=number == 0), name=f"s3 brings {number}")

    async def _bring(self, *, first: bool) -> None:
        clock = self._context.clock
        while True:
            if self._line.trouble is not None:  # one knocks, and for all
                await clock.sleep(max(self._line.wait, 0.01) if first else BUSY_AGAIN)
                if not first:
                    continue
            key = self._next()
            if key is None:
                self._work.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BUSY_AGAIN if self._not_before else None):
                        await self._work.wait()
                continue
            await self._bring_one(key)

    async def _bring_one(self, key: str) -> None:
        since = self._queue.pop(key)
        self._busy.add(key)
        again: float | None = None
        try:
            await self._line.call(lambda: settle(self._spool, self._bucket, key), self._spool.size(key) / SLOWEST)
        except Busy:
            again = BUSY_AGAIN
        except Refused as error:
            self._context.logger.warning("%s; it waits on this machine", error)
            self._refused, again = error.message, REFUSED_AGAIN
        except PluginError as error:
            again = BUSY_AGAIN if type(error) is NotReady else 0.0
        except OSError as error:
            self._context.logger.warning("what waits for the bucket cannot be read: %s", error.strerror)
            again = REFUSED_AGAIN
        finally:
            self._busy.discard(key)
            self._work.set()
        if again is None:
            self._not_before.pop(key, None)
            return
        self._queue = {key: since} | self._queue
        if again:
            self._not_before[key] = self._context.clock.monotonic() + again

    def _next(self) -> str | None:
        now = self._context.clock.monotonic()
        held = {lock_of(key) for key in self._busy}
        for key in self._queue:
            if lock_of(key) not in held and self._not_before.get(key, 0.0) <= now:
                self._not_before.pop(key, None)
                return key
        return None

    async def _look(self) -> None:
        seen: object = None
        while True:
            try:
                changed = await asyncio.to_thread(self._spool.changed_at)
                if changed != seen:
                    seen = changed
                    for key, since in await asyncio.to_thread(self._spool.scan):
                        if key not in self._busy:
                            self._queue.setdefault(key, since)
                    self._work.set()
            except OSError as error:
                self._context.logger.warning("the folder of what waits cannot be read: %s", error.strerror)
            self._say()
            await self._context.clock.sleep(LOOK)

    def _say(self) -> None:
        """In the health of this plugin."""
        count = len(self._queue) + len(self._busy)
        now = self._context.clock.now()
        oldest = min(self._queue.values(), default=now.timestamp())
        late = count and now.timestamp() - oldest > SAY
        told = self._line.trouble is not None or late
        text = f"{count} to be brought to {self._options.where}, waiting since {self._moment(oldest)}" if told else ""
        reason = self._line.trouble.message if self._line.trouble else self._refused
        text += f": {reason}" if text and reason else ""
        news = bool(text) != bool(self._said)
        if news or (text and now.timestamp() - self._said_at >= SAY):  # the same again: a failed call has wiped it out
            self._said, self._said_at = text, now.timestamp()
            self._context.progress(text)

    def _moment(self, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC).astimezone(self._context.time_zone)
        recent = self._context.clock.now() - moment < timedelta(hours=20)
        return f"{moment:%H:%M}" if recent else f"{moment:%Y-%m-%d %H:%M}"


def settle(spool: Spool, bucket: Bucket, key: str) -> None:
    """Does in the bucket what waits to be done under `key`: deletes, then puts. Raises Busy, and what `bucket` does."""
    with spool.claim(key):
        erase(spool, bucket, key)
        entry = spool.entry(key)
        if entry is not None and spool.offered(key, entry):
            bucket.put(key, entry.data)
            spool.arrived(key, entry)


def erase(spool: Spool, bucket: Bucket, key: str) -> None:
    """Deletes in the bucket what is to be deleted under `key`; while it is claimed."""
    if spool.is_doomed(key):
        if spool.has_parts(key):
            bucket.abort(key)
        bucket.delete(key)
        spool.deleted(key)


def replace(spool: Spool, bucket: Bucket, key: str, data: bytes) -> None:
    """Puts past the spool, which has no room. Raises Busy, and what the bucket does."""
    with spool.claim(key, LONGEST_CALL / 2):
        erase(spool, bucket, key)
        before = spool.entry(key)
        bucket.put(key, data)
        if before is not None:
            spool.arrived(key, before)
