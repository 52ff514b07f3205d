"""What a sender is told is true: acknowledged only after the reader has asked for more."""

from __future__ import annotations

import asyncio

import pytest

from hub.nodes.entrances import PLACES, Closed, Crowded, Entrances
from tests.support.facts import frame


async def test_a_sender_is_answered_when_the_reader_asks_for_the_next() -> None:
    entrance = Entrances().open("push")
    sending = asyncio.create_task(entrance.send(frame(1)))
    assert (await anext(entrance)).seq == 1
    await asyncio.sleep(0.01)
    assert not sending.done()
    asking = asyncio.create_task(anext(entrance))
    await sending
    second = asyncio.create_task(entrance.send(frame(2)))
    assert (await asking).seq == 2
    entrance.close()
    with pytest.raises(Closed):
        await second


async def test_frames_are_read_in_the_order_they_were_sent() -> None:
    entrance = Entrances().open("push")
    senders = [asyncio.create_task(entrance.send(frame(seq))) for seq in range(5)]
    await asyncio.sleep(0)
    assert [(await anext(entrance)).seq for _ in range(5)] == [0, 1, 2, 3, 4]
    await asyncio.sleep(0)
    assert [sender.done() for sender in senders] == [True] * 4 + [False]
    entrance.close()
    await asyncio.gather(*senders, return_exceptions=True)


async def test_whoever_still_sends_when_reading_ends_learns_it() -> None:
    entrance = Entrances().open("push")
    senders = [asyncio.create_task(entrance.send(frame(seq))) for seq in range(3)]
    await anext(entrance)
    entrance.close()
    results = await asyncio.gather(*senders, return_exceptions=True)
    assert [type(result) for result in results] == [Closed] * 3
    with pytest.raises(Closed):
        await entrance.send(frame(9))
    with pytest.raises(StopAsyncIteration):
        await anext(entrance)


async def test_a_sender_that_gives_up_leaves_nothing() -> None:
    entrance = Entrances().open("push")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await entrance.send(frame(1))
    asking = asyncio.create_task(anext(entrance))
    later = asyncio.create_task(entrance.send(frame(2)))
    assert (await asking).seq == 2
    entrance.close()
    await asyncio.gather(later, return_exceptions=True)


async def test_places_are_few_and_given_back() -> None:
    entrance = Entrances().open("push")

    def take(left: int) -> None:
        with entrance.place():
            if left:
                take(left - 1)

    take(PLACES - 1)
    with pytest.raises(Crowded):
        take(PLACES)
    take(PLACES - 1)


async def test_a_camera_that_opens_anew_takes_over() -> None:
    entrances = Entrances()
    assert entrances.of("push") is None
    first = entrances.open("push")
    second = entrances.open("push")
    assert entrances.of("push") is second
    with pytest.raises(Closed):
        await first.send(frame(1))
    second.close()
    assert entrances.of("push") is None
