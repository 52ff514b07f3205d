"""A slow wire from a node to its hub: a proxy of real sockets that can be stopped in the middle of what is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 4096


class SlowWire:
    """Listens at `port`; `passed` counts the bytes that were handed to the hub's socket, of all connections."""

    def __init__(self, hub: int, rate: float) -> None:
        self.port = 0
        self.passed = 0
        self._hub = hub
        self._rate = rate
        self._last: int | None = None
        self._stopped = asyncio.Event()
        self._goes = asyncio.Event()
        self._goes.set()
        self._connections: set[asyncio.Task[None]] = set()

    async def stop_after(self, passed: int) -> None:
        """Lets nothing more through once `passed` is that; returns then."""
        self._goes.clear()
        self._stopped.clear()
        self._last = passed
        await self._stopped.wait()

    def go(self) -> None:
        self._last = None
        self._goes.set()

    async def serve(self, from_node: asyncio.StreamReader, to_node: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(OSError, asyncio.CancelledError):
            from_hub, to_hub = await asyncio.open_connection("127.0.0.1", self._hub)
            to_hub.transport.set_write_buffer_limits(0)
            ways = [asyncio.create_task(self._up(from_node, to_hub)), asyncio.create_task(_down(from_hub, to_node))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                to_hub.transport.abort()
        to_node.close()
        self._connections.discard(task)

    async def end(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _up(self, node: asyncio.StreamReader, hub: asyncio.StreamWriter) -> None:
        while data := await node.read(CHUNK):
            while data:
                room = len(data) if self._last is None else self._last - self.passed
                if room <= 0:
                    self._stopped.set()
                    await self._goes.wait()
                    continue
                hub.write(data[:room])
                await hub.drain()
                self.passed += len(data[:room])
                data = data[room:]
                await asyncio.sleep(CHUNK / self._rate)


async def _down(hub: asyncio.StreamReader, node: asyncio.StreamWriter) -> None:
    while data := await hub.read(CHUNK):
        node.write(data)
        await node.drain()


@asynccontextmanager
async def slow_wire(hub: int, rate: float) -> AsyncIterator[SlowWire]:
    """To the port of a hub on this machine, which need not be there all the time; `rate` in bytes a second."""
    wire = SlowWire(hub, rate)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.end()
