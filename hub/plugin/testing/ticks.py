"""Notices code that blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK = 0.01
LONGEST_BLOCK = 1.0
"""Seconds after which the hub's watchdog names a plugin that blocks its event loop."""


@asynccontextmanager
async def keeps_ticking(longest_block: float = LONGEST_BLOCK) -> AsyncIterator[None]:
    """Fails when the code inside keeps the event loop from running anything else for longer than that, in seconds."""
    loop = asyncio.get_running_loop()
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            worst = max(worst, loop.time() - due)

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
