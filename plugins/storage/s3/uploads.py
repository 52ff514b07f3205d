"""Brings what waits into the bucket, oldest first, and says what waits and since when."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.plugin import NotFound, NotReady, PluginContext, PluginError

from .bucket import Bucket
from .line import LONGEST_CALL, Line
from .meanings import Refused
from .options import PART, Options
from .refusals import DELETED, PUT, of_one
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
MANY: Final = 8
"""Refused one after the other: then it is no longer about the one or other picture."""
KNOCK: Final = 60.0
"""Seconds between two tries while it is not."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Since when the key waits (Unix time), why, and when it is tried again (monotonic)."""

    since: float
    why: str
    again: float


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
        self._busy: dict[str, float] = {}
        """The same of those that go up now."""
        self._refused: dict[str, Refusal] = {}
        """These come after all others, the longest refused first."""
        self._in_row: set[str] = set()
        """What was refused since something was not."""
        self._logged: dict[str, float] = {}
        """Reason → when the log last had it, monotonic."""
        self._not_before: dict[str, float] = {}
        self._work = asyncio.Event()
        self._said = ""
        self._said_at = 0.0

    def add(self, key: str) -> None:
        refused = self._refused.pop(key, None)
        self._queue.setdefault(key, refused.since if refused else self._context.clock.now().timestamp())
        self._work.set()

    def done(self, key: str) -> None:
        """Somebody else did in the bucket what was to be done there."""
        self._refused.pop(key, None)
        self._went_well()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="s3 looks")
            for number in range(WORKERS):
                tasks.create_task(self._bring(first=number == 0), name=f"s3 brings {number}")

    @property
    def _stuck(self) -> bool:
        return len(self._in_row) >= MANY

    async def _bring(self, *, first: bool) -> None:
        clock = self._context.clock
        while True:
            if self._line.trouble is not None or self._stuck:  # one knocks, and for all
                knock = self._line.wait if self._line.trouble else KNOCK
                await clock.sleep(max(knock, 0.01) if first else BUSY_AGAIN)
                if not first:
                    continue
            key = self._next()
            if key is None:
                self._work.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BUSY_AGAIN if self._not_before or self._refused else None):
                        await self._work.wait()
                continue
            await self._bring_one(key)

    async def _bring_one(self, key: str) -> None:
        refused = self._refused.pop(key, None)
        since = refused.since if refused else self._queue.pop(key)
        self._busy[key] = since
        try:
            await self._line.call(
                lambda: settle(self._spool, self._bucket, key, self._options), self._spool.size(key) / SLOWEST
            )
        except Busy:
            self._again(key, since, BUSY_AGAIN)
        except Refused as error:
            self._refuse(key, since, error.message, error.hint)
        except NotFound:
            self._refuse(key, since, f"{self._options.where} answers as if it were asked for something", "")
        except PluginError as error:
            self._again(key, since, BUSY_AGAIN if type(error) is NotReady else 0.0)
        except OSError as error:
            self._refuse(key, since, f"what waits for the bucket cannot be read: {error.strerror}", "check the disk")
        else:
            self._went_well()
        finally:
            del self._busy[key]
            self._work.set()

    def _again(self, key: str, since: float, wait: float) -> None:
        """Behind all others: one that fails must not hold them up."""
        self._queue.setdefault(key, since)
        if wait:
            self._not_before[key] = self._context.clock.monotonic() + wait

    def _refuse(self, key: str, since: float, why: str, hint: str) -> None:
        now = self._context.clock.monotonic()
        if now - self._logged.get(why, -math.inf) >= REFUSED_AGAIN:
            self._logged[why] = now
            self._context.logger.warning("%s%s; it waits on this machine", why, f"; {hint}" if hint else "")
        if key not in self._queue:  # put again meanwhile
            self._refused[key] = Refusal(since, why, now + REFUSED_AGAIN)
        self._in_row.add(key)

    def _went_well(self) -> None:
        if self._stuck:  # whatever forbade everything is gone
            for key in self._in_row & self._refused.keys():
                self._queue.setdefault(key, self._refused.pop(key).since)
        self._in_row.clear()

    def _next(self) -> str | None:
        now = self._context.clock.monotonic()
        held = {lock_of(key) for key in self._busy}
        for key in self._queue:
            if lock_of(key) not in held and self._not_before.get(key, 0.0) <= now:
                self._not_before.pop(key, None)
                return key
        for key, refusal in self._refused.items():
            if refusal.again > now and not self._stuck:
                return None
            if lock_of(key) not in held:
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
                        if key not in self._busy and key not in self._refused:
                            self._queue.setdefault(key, since)
                    self._work.set()
            except OSError as error:
                self._context.logger.warning("the folder of what waits cannot be read: %s", error.strerror)
            self._say()
            if self._line.trouble is not None and not self._queue:  # nobody else may ask for long
                with suppress(PluginError):
                    await self._line.call(self._bucket.look)
            await self._context.clock.sleep(LOOK)

    def _say(self) -> None:
        """In the health of this plugin."""
        waiting = self._queue | self._busy | {key: refusal.since for key, refusal in self._refused.items()}
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
        whys = Counter(refusal.why for refusal in self._refused.values())
        told = [why if number == count else f"{number} of them: {why}" for why, number in whys.most_common()]
        return ["; ".join(told)] if told else []

    def _moment(self, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC).astimezone(self._context.time_zone)
        recent = self._context.clock.now() - moment < timedelta(hours=20)
        return f"{moment:%H:%M}" if recent else f"{moment:%Y-%m-%d %H:%M}"


def settle(spool: Spool, bucket: Bucket, key: str, options: Options) -> None:
    """Does in the bucket what waits to be done under `key`: deletes, then puts. Raises Busy, Refused, and what `bucket`
    does."""
    with spool.claim(key):
        erase(spool, bucket, key, options)
        entry = spool.entry(key)
        if entry is not None and spool.offered(key, entry):
            _put(spool, bucket, key, entry.data, options)
            spool.arrived(key, entry)
        elif spool.has_parts(key):
            _abort(spool, bucket, key)


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
