"""Many simulated nodes of one hub."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from dataclasses import replace

import aiohttp

from hub.db import nodes as rows
from hub.db.engine import Database
from node.pauses import Pauses
from node.wire import Acknowledged, Picture
from tests.support.node_client import JPEG, Board, Closed, Talk, connected


async def enlisted(database: Database, first: Board, size: int) -> list[Board]:
    """So many nodes that were confirmed long ago, each a camera of its own name, like the `first`, which is one."""
    boards = []
    async with database.write() as connection:
        template = await rows.one(connection, first.node)
        assert template is not None
        for number in range(size):
            board = replace(first, node=f"h-{number}", credential=os.urandom(32), boot=number, last=0)
            digest = hashlib.sha256(board.credential).hexdigest()
            await rows.add(connection, replace(template, id=board.node, camera=board.node, credential=digest))
            boards.append(board)
        await rows.changed(connection)
    return boards


class Sender:
    """A node with a spool in memory: what is not acknowledged it sends again, after whatever happened.

    `waiting` are the frames that it has still to tell, by number, `acknowledged` the numbers of all others, `under_way`
    those that were sent on this connection and not answered; `ends` are the codes that its connections ended with.
    Its pauses are so many times shorter as it is in a `hurry`.
    """

    def __init__(self, board: Board, hurry: float) -> None:
        self.board = board
        self.waiting: dict[int, Picture] = {}
        self.acknowledged: list[int] = []
        self.under_way: set[int] = set()
        self.ends: list[int | None] = []
        self.connected = False
        self._hurry = hurry
        self._pauses = Pauses()
        self._credits = 0
        self._changed = asyncio.Event()

    @property
    def kept(self) -> range:
        """The numbers of all pictures that it ever took."""
        return range(1, self.board.last + 1)

    def content(self, number: int) -> bytes:
        return JPEG + bytes(number) + self.board.node.encode()

    def keep(self, count: int) -> None:
        """Takes so many pictures more."""
        for _ in range(count):
            picture = self.board.frame(self.content(self.board.last + 1))
            self.waiting[picture.number] = picture
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            code = None
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                async with connected(self.board) as talk:
                    code = await self._talk(talk)
            self.connected = False
            self.under_way.clear()
            await asyncio.sleep(self._pauses.after(code) / self._hurry)

    async def _talk(self, talk: Talk) -> int | None:
        welcome = await talk.hello()
        self._settle(range(1, welcome.acknowledged + 1))
        self._credits = welcome.credits
        self._pauses.worked()
        self.connected = True
        telling = asyncio.create_task(self._tell(talk))
        try:
            await self._listen(talk)
        except Closed as closed:
            self.ends.append(closed.code)
            return closed.code
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return None

    async def _tell(self, talk: Talk) -> None:
        while True:
            self._changed.clear()
            for number in sorted(set(self.waiting) - self.under_way)[: self._credits]:
                self._credits -= 1
                self.under_way.add(number)
                await talk.send(self.waiting[number])
            await self._changed.wait()

    async def _listen(self, talk: Talk) -> None:
        """Raises Closed."""
        while True:
            try:
                told = await talk.expect(Acknowledged)
            except TimeoutError:
                continue
            self._credits += told.credits
            for first, last in told.ranges:
                self._settle(range(first, last + 1))
            self._changed.set()

    def _settle(self, numbers: range) -> None:
        for number in numbers:
            self.under_way.discard(number)
            if self.waiting.pop(number, None):
                self.acknowledged.append(number)
