"""Notices code that blocks the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

TICK = 0.01
LONGEST_BLOCK = 1.0
"""Seconds after which the hub's watchdog names a plugin that blocks its event loop."""


@asynccontextmanager
async def keeps_ticking(longest_block: float = LONGEST_BLOCK) -> AsyncIterator[None]:
    """Fails when the code inside keeps the event loop from running anything else for longer than that, in seconds.

    A machine too busy to run this process blocks nobody: what counts is what the loop's thread computes, and how long
    another thread could run while the loop did not.
    """
    loop = asyncio.get_running_loop()
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            due, computed, ran = loop.time() + TICK, time.thread_time(), other.ran
            await asyncio.sleep(TICK)
            late = loop.time() - due
            worst = max(worst, min(late, max(time.thread_time() - computed, other.ran - ran)))

    with _other_thread() as other:
        ticking = asyncio.create_task(tick(), name="keeps_ticking")
        await asyncio.sleep(0)
        try:
            yield
            await asyncio.sleep(2 * TICK)  # a block at the very end shows in the next tick
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})
    assert worst < longest_block, (
        f"the event loop was blocked for {worst:.1f} s; wrap blocking work in context.run_blocking"
    )


class _Other:
    """Another thread of this process; `ran` is for how many seconds it could have, so far."""

    def __init__(self) -> None:
        self.ran = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeps_ticking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(TICK):
            now = time.monotonic()
            self.ran += min(now - began, 2 * TICK)
            began = now


@contextmanager
def _other_thread() -> Iterator[_Other]:
    other = _Other()
    other.start()
    try:
        yield other
    finally:
        other.stop()
