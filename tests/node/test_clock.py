from __future__ import annotations

import asyncio

import pytest

from node.clock import BoardClock


@pytest.mark.parametrize("steps", range(6))
async def test_a_rest_that_is_woken_as_it_is_cancelled_is_cancelled(steps: int) -> None:
    """A node that goes on after SIGTERM is killed in the end, and with it what it was writing."""
    wake = asyncio.Event()
    resting = asyncio.create_task(BoardClock().rest(60, wake))
    await asyncio.sleep(0.01)
    wake.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    if resting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await resting


async def test_a_rest_ends_when_it_is_woken_and_when_its_time_is_over() -> None:
    wake = asyncio.Event()
    await BoardClock().rest(0.01, wake)
    wake.set()
    async with asyncio.timeout(20):
        await BoardClock().rest(60, wake)
