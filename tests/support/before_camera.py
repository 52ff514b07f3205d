"""The whole node in this process, and what a test holds before its camera: rendered codes, read by the real reader."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from PIL import Image

import node.agent
from node.agent import Agent
from node.camera import Camera, Luma
from node.clock import Clock
from node.link import Phase
from node.log import Log, open_log
from node.orders import Orders
from node.parts import Sign
from node.settings import Settings
from node.state import State
from node.wire import Moment
from tests.support.qr_pictures import Shot, photograph

PATIENCE: Final = 30.0
NOTHING: Final = np.random.default_rng(1).integers(60, 200, (480, 640)).astype(np.uint8)
"""A wall, well lit."""


@dataclass
class SeenLook:
    at: Moment
    luma: Luma

    async def jpeg(self, quality: int) -> bytes:
        made = io.BytesIO()
        Image.fromarray(self.luma[::8, ::8]).convert("RGB").save(made, "JPEG")
        return made.getvalue()


@dataclass
class BeforeCamera:
    """What the camera sees, and what the light has said."""

    luma: Luma = field(default_factory=lambda: NOTHING)
    signs: list[Sign] = field(default_factory=list)

    def hold(self, uri: str) -> None:
        """A screen with this code, somewhat askew."""
        self.luma = photograph(uri, Shot(tilt=15, noise=4), seed=len(uri))

    def take_away(self) -> None:
        self.luma = NOTHING

    def show(self, sign: Sign) -> None:
        if self.signs[-1:] != [sign]:
            self.signs.append(sign)

    @asynccontextmanager
    async def open_camera(self, options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[Camera]:
        @asynccontextmanager
        async def look() -> AsyncIterator[SeenLook]:
            yield SeenLook(clock.now(), self.luma)

        yield SimpleNamespace(look=look)


@dataclass
class WholeNode:
    agent: Agent
    log: Log
    scene: BeforeCamera

    @property
    def phase(self) -> Phase:
        return self.agent.link.phase

    async def until(self, phase: Phase) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.phase is not phase:
                await asyncio.sleep(0.01)

    async def shows(self, sign: Sign) -> None:
        """Waits for its light."""
        async with asyncio.timeout(PATIENCE):
            while self.scene.signs[-1:] != [sign]:
                await asyncio.sleep(0.01)

    async def paired_by(self, uri: str, phase: Phase) -> None:
        """Holds the code up until the node is so far."""
        self.scene.hold(uri)
        await self.until(phase)
        self.scene.take_away()


async def nobody() -> list[tuple[str, int]]:
    return []


@asynccontextmanager
async def whole_node(data: Path) -> AsyncIterator[WholeNode]:
    data.mkdir(exist_ok=True)
    scene = BeforeCamera()
    camera: Any = SimpleNamespace(CONFIG_SCHEMA={}, open_camera=scene.open_camera)
    state = State(data / node.agent.IDENTITY)
    async with open_log(data / "spool", Orders().spool) as log:
        agent = Agent(Settings(camera, {}, data), log, state, data)
        agent._leds, agent.link._discover = scene, nobody
        running = asyncio.create_task(agent.run())
        try:
            yield WholeNode(agent, log, scene)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
