"""The spool as the event loop uses it: in one thread of its own, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from node.entries import Outgoing
from node.spool import Report, Spool
from node.wire import Moment

T = TypeVar("T")


class Log:
    """What was begun is finished, also when whoever waits for it is cancelled."""

    def __init__(self, spool: Spool, thread: ThreadPoolExecutor) -> None:
        self._spool = spool
        self._thread = thread
        self._news = asyncio.Event()

    async def frame(self, at: Moment, jpeg: bytes, moved: bool) -> None:
        """Returns when the picture can no longer be lost to a power cut (or the card takes nothing)."""
        await self._do(lambda: self._spool.frame(at, jpeg, moved))

    async def watched(self, at: Moment, lens: float | None) -> None:
        await self._do(lambda: self._spool.watched(at, lens))

    async def commit(self) -> None:
        await self._do(self._spool.commit)

    async def take(self, largest: int) -> Outgoing:
        """The next entry to be sent; waits for one."""
        while True:
            self._news.clear()
            entry = await self._do(lambda: self._spool.take(largest), news=False)
            if entry is not None:
                return entry
            await self._news.wait()

    async def rewind(self) -> None:
        await self._do(self._spool.rewind)

    async def settle(self, ranges: Iterable[tuple[int, int]]) -> None:
        """The hub has the entries with the numbers of these inclusive ranges."""

        def settle() -> None:
            for first, last in ranges:
                self._spool.settle(first, last)

        await self._do(settle, news=False)

    async def believe(self, last: int) -> None:
        """The hub has all that it was told up to this number."""
        await self._do(lambda: self._spool.believe(last), news=False)

    async def refuse(self, number: int, reason: str) -> None:
        await self._do(lambda: self._spool.refuse(number, reason), news=False)

    async def note(self, incident: str) -> None:
        """Counts what befell the node."""
        await self._do(lambda: self._spool.note(incident), news=False)

    async def last(self) -> int:
        return await self._do(lambda: self._spool.last, news=False)

    async def restart(self) -> int:
        return await self._do(self._spool.restart)

    async def clear(self) -> int:
        return await self._do(self._spool.clear)

    async def limit(self, size: int) -> None:
        """How many bytes may be kept from now on."""
        await self._do(lambda: setattr(self._spool, "limit", size), news=False)

    async def report(self) -> Report:
        return await self._do(self._spool.report, news=False)

    async def _do(self, act: Callable[[], T], news: bool = True) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._thread, act)
        if news:
            done.add_done_callback(self._tell)
        return await asyncio.shield(done)

    def _tell(self, done: asyncio.Future[Any]) -> None:
        self._news.set()


@asynccontextmanager
async def open_log(folder: Path, limit: int) -> AsyncIterator[Log]:
    """Raises OSError when the folder cannot be used."""
    thread = ThreadPoolExecutor(1, "spool")
    loop = asyncio.get_running_loop()
    try:
        spool = await loop.run_in_executor(thread, lambda: Spool(folder, limit))
        try:
            yield Log(spool, thread)
        finally:
            await loop.run_in_executor(thread, spool.close)
    finally:
        thread.shutdown()
