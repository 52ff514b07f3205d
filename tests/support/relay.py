"""A wire between a node and the hub that breaks as wires do: nobody is told, and nothing more arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass(eq=False)
class Way:
    """One direction of a connection. `dead`: what is sent vanishes, the end of it included."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    dead: bool = False

    async def carry(self) -> None:
        with suppress(ConnectionError):
            while data := await self.reader.read(65536):
                if not self.dead:
                    self.writer.write(data)
                    await self.writer.drain()
        if not self.dead:
            self.writer.transport.abort()


@dataclass
class Relay:
    """`to_hub` and `to_node` are the ways of the connections there are; `plugged` lets new ones through."""

    target: int
    port: int = 0
    plugged: bool = True
    connections: int = 0
    to_hub: list[Way] = field(default_factory=list)
    to_node: list[Way] = field(default_factory=list)

    def lose(self, *, to_hub: bool = True, to_node: bool = True) -> None:
        """From now on nothing gets through on the connections there are; both ends stay open."""
        for way in [*(self.to_hub * to_hub), *(self.to_node * to_node)]:
            way.dead = True

    def tell_node(self) -> None:
        """The node's end of every dead connection breaks: its own interface went down. The hub is not told."""
        for way in self.to_node:
            if way.dead:
                way.writer.transport.abort()

    def unplug(self) -> None:
        """The cable is out at the node's end: only the node notices."""
        self.plugged = False
        self.lose()
        self.tell_node()

    def way_to_hub(self, node: asyncio.StreamReader, hub: asyncio.StreamWriter) -> Way:
        return Way(node, hub)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.plugged:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            from_hub, hub = await asyncio.open_connection("127.0.0.1", self.target)
        except ConnectionError:
            writer.transport.abort()
            return
        ways = self.way_to_hub(reader, hub), Way(from_hub, writer)
        self.to_hub.append(ways[0])
        self.to_node.append(ways[1])
        await asyncio.gather(*(way.carry() for way in ways))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        tasks: set[asyncio.Task[None]] = set()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for way in (*self.to_hub, *self.to_node):
                way.writer.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Wire(Relay):
    """`silent`: new connections come about, and nothing gets through either."""

    silent = False

    def way_to_hub(self, node: asyncio.StreamReader, hub: asyncio.StreamWriter) -> Way:
        return Way(node, hub, dead=self.silent)

    def fall_silent(self) -> None:
        self.silent = True
        self.lose()

    def speak(self) -> None:
        """Connections that were silent stay so: whoever stood between has forgotten them."""
        self.silent = False
