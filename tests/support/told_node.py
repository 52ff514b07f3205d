"""`fras-node` with a camera and a gate of the tests': every look is kept and differs from all others.

Instead of `python -m node.cli`: `python -m tests.support.told_node`, with `camera: {platform: told}`. It looks
for its hub elsewhere after $LOST failures.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import node.agent
import node.cli
import node.link
import node.settings
from node.camera import Camera, Luma
from node.clock import Clock
from node.orders import Orders
from node.parts import Gate, Verdict
from node.wire import Moment


@dataclass
class ToldLook:
    at: Moment
    luma: Luma

    async def jpeg(self, quality: int) -> bytes:
        return b"\xff\xd8\xff" + os.urandom(16) * 200


@dataclass
class ToldCamera:
    clock: Clock

    @asynccontextmanager
    async def look(self) -> AsyncIterator[ToldLook]:
        yield ToldLook(self.clock.now(), np.zeros((2, 2), np.uint8))


class KeepAll:
    def judge(self, luma: Luma, at: Moment) -> Verdict:
        return Verdict(keep=True, moved=True)


@asynccontextmanager
async def open_camera(options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[Camera]:
    yield ToldCamera(clock)


def make_gate(orders: Orders) -> Gate:
    return KeepAll()


if __name__ == "__main__":
    node.agent.make_gate = make_gate
    node.link.LOST = int(os.environ.get("LOST", node.link.LOST))  # type: ignore[misc]
    node.settings._camera = lambda platform: SimpleNamespace(CONFIG_SCHEMA={}, open_camera=open_camera)  # type: ignore[assignment,return-value]
    sys.exit(node.cli.main())
