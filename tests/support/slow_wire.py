"""A slow wire from a node to its hub, which can be stopped in the middle of what the node says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.relay import Relay, Way

CHUNK = 16384


@dataclass
class SlowWire(Relay):
    """`rate`: bytes a second from node to hub; `passed`: those that were handed to the hub's socket."""

    rate: float = 1e6
    passed: int = 0
    _last: int | None = None
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _goes: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop_after(self, passed: int) -> None:
        """Lets nothing more through to the hub once `passed` is that; returns then."""
        self._stopped.clear()
        self._goes.clear()
        self._last = passed
        await self._stopped.wait()

    def go(self) -> None:
        self._last = None
        self._goes.set()

    async def pass_on(self, data: bytes, hub: asyncio.StreamWriter) -> None:
        """Raises ConnectionError."""
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
            await asyncio.sleep(CHUNK / self.rate)

    def way_to_hub(self, node: asyncio.StreamReader, hub: asyncio.StreamWriter) -> Way:
        hub.transport.set_write_buffer_limits(0)
        return _SlowWay(node, hub, wire=self)


@dataclass(eq=False, kw_only=True)
class _SlowWay(Way):
    wire: SlowWire

    async def carry(self) -> None:
        with suppress(ConnectionError):
            while data := await self.reader.read(CHUNK):
                await self.wire.pass_on(data, self.writer)
        self.writer.transport.abort()
