"""A bounded pool of daemon threads, one for each plugin instance.

`concurrent.futures` joins its threads when the interpreter exits, so one hung call would hold the process;
these threads die with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from hub.plugin import NotReady

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Of one plugin: what they do is mostly to wait for a network."""
LONGEST_QUEUE = 64


class DaemonPool:
    """Runs blocking calls in at most `size` threads, named after the plugin and started when first needed."""

    def __init__(self, name: str, size: int = THREADS, longest_queue: int = LONGEST_QUEUE) -> None:
        self._name = name
        self._size = size
        self._calls: queue.Queue[_Call | None] = queue.Queue(longest_queue)
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `call`; raises what it raises, or NotReady when too many calls wait already.

        Cancelling does not interrupt a call that has begun: its thread is busy until the call returns.
        """
        if self._closed:
            raise NotReady(f"{self._name} is closed")
        item = _Call(partial(contextvars.copy_context().run, partial(call, *args, **kwargs)))
        try:
            self._calls.put_nowait(item)
        except queue.Full:
            raise NotReady(
                f"all {self._size} threads of {self._name} are busy and {self._calls.qsize()} calls wait",
                hint="a call probably hangs",
            ) from None
        self._provide_thread()
        result: T = await item.future
        return result

    def close(self) -> None:
        """Lets idle threads go and waits for none."""
        self._closed = True
        try:
            while True:
                item = self._calls.get_nowait()
                if item:
                    item.future.cancel()
        except queue.Empty:
            for _ in self._threads:
                self._calls.put_nowait(None)

    def _provide_thread(self) -> None:
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while item := self._calls.get():
            give_back = item.perform()
            self._idle.release()  # before the caller can bring the next call
            give_back()
            del item, give_back  # an idle thread keeps no pictures alive


class _Call:
    """A call on its way to a thread and its result on the way back."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()

    def perform(self) -> Callable[[], None]:
        """Runs the call; what it returns hands the result to the waiting task."""
        if self.future.cancelled():
            return lambda: None
        try:
            settle = partial(self._settle, self.future.set_result, self._call())
        except StopIteration as error:
            settle = partial(self._settle, self.future.set_exception, RuntimeError(f"raised {error!r}"))
        except BaseException as error:
            settle = partial(self._settle, self.future.set_exception, error)
        return partial(self._give_back, settle)

    def _give_back(self, settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle)

    def _settle(self, setter: Callable[[Any], None], value: Any) -> None:
        if not self.future.done():
            setter(value)
