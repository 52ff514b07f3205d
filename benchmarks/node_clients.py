"""The nodes of the bench `nodes`, in a process of their own: `python -m benchmarks.node_clients`.

The first line of standard input is a JSON object: `port`, `pin` (hexadecimal), the file of a `picture`, and `boards`,
each `{node, credential, epoch}`; without `node` the other end is the bare sink. Says `ready` once all are connected.
Then each line `SECONDS RATE` is a window: every node offers RATE frames a second, with 0 as many as its credits allow;
the answer is a JSON object: how many `frames` were acknowledged within the window, and the milliseconds of each wait.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp

from node.wire import Acknowledged, Refused, encode_picture
from tests.support.node_client import Board, Talk, connected

MOST, FEWEST, ALL = 8, 2, 256
"""hub/nodes/nodes.py: the credits of the sink's clients are those that the hub gives."""
AFTER = 15.0
"""Seconds in which the last acknowledgements must come."""


@dataclass
class Offering:
    """One node."""

    talk: Talk
    jpeg: bytes
    credits: int
    bare: bool
    sent: dict[int, float] = field(default_factory=dict)
    waits: list[tuple[float, float]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        while True:
            if self.bare:
                numbers = [int.from_bytes(await self.talk.socket.receive_bytes())]
                back = 1
            else:
                try:
                    said = await self.talk.receive()
                except TimeoutError:
                    continue
                assert not isinstance(said, Refused), said
                if not isinstance(said, Acknowledged):
                    continue
                numbers = [number for first, last in said.ranges for number in range(first, last + 1)]
                back = said.credits
            now = perf_counter()
            self.waits += [(now, now - self.sent.pop(number)) for number in numbers]
            self.credits += back
            self.changed.set()

    async def offer(self, until: float, rate: float) -> None:
        due = perf_counter() + random.random() / rate if rate else 0.0
        while max(perf_counter(), due) < until:
            if rate:
                await asyncio.sleep(due - perf_counter())
                due += 1 / rate
            while not self.credits:
                self.changed.clear()
                await self.changed.wait()
            self.credits -= 1
            picture = self.talk.board.frame(self.jpeg, live=True)
            self.sent[picture.number] = perf_counter()
            await self.talk.socket.send_bytes(encode_picture(picture))
        async with asyncio.timeout(AFTER):
            while self.sent:
                self.changed.clear()
                await self.changed.wait()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    task: dict[str, Any] = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    async with AsyncExitStack() as stack:
        jpeg = Path(task["picture"]).read_bytes()  # noqa: ASYNC240 (nothing waits yet)
        nodes = [await _connect(stack, task, jpeg, index) for index in range(len(task["boards"]))]
        listening = [asyncio.create_task(node.listen()) for node in nodes]
        print("ready", flush=True)
        while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            print(json.dumps(await _window(nodes, float(words[0]), float(words[1]))), flush=True)
        for one in listening:
            one.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        with suppress(aiohttp.ClientError, OSError):
            await stack.aclose()


async def _connect(stack: AsyncExitStack, task: dict[str, Any], jpeg: bytes, index: int) -> Offering:
    said = task["boards"][index]
    board = Board((bytes.fromhex(task["pin"]),), task["port"])
    bare = "node" not in said
    if not bare:
        board.node, board.epoch, board.last = said["node"], said["epoch"], said["last"]
        board.credential = bytes.fromhex(said["credential"])
    talk = await stack.enter_async_context(connected(board))
    credits_ = max(FEWEST, min(MOST, ALL // (index + 1))) if bare else (await talk.hello()).credits
    return Offering(talk, jpeg, credits_, bare)


async def _window(nodes: list[Offering], seconds: float, rate: float) -> dict[str, Any]:
    for node in nodes:
        node.waits.clear()
    until = perf_counter() + seconds
    await asyncio.gather(*(node.offer(until, rate) for node in nodes))
    waits = [wait for node in nodes for wait in node.waits]
    return {
        "frames": sum(at <= until for at, _ in waits),
        "all": len(waits),
        "waits": [round(wait * 1000, 2) for _, wait in waits],
    }


if __name__ == "__main__":
    asyncio.run(_main())
