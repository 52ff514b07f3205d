"""The JPEGs of a folder in the order of their names, over and over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import voluptuous as vol

from node.camera import CameraError, Luma
from node.clock import Clock
from node.orders import Orders
from node.wire import Moment

CONFIG_SCHEMA: Final = {vol.Required("path"): vol.All(str, vol.Coerce(Path))}


@dataclass(frozen=True, slots=True)
class FileLook:
    at: Moment
    file: Path
    luma: Luma

    async def jpeg(self, quality: int) -> bytes:
        return await asyncio.to_thread(self.file.read_bytes)


class FolderCamera:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._turn = count()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[FileLook]:
        files = sorted(self._folder.glob("*.jpg"))
        if not files:
            raise CameraError(f"There is no .jpg in {self._folder}: put one there.")
        yield FileLook(self._clock.now(), files[next(self._turn) % len(files)], np.zeros((2, 2), np.uint8))


@asynccontextmanager
async def open_camera(options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[FolderCamera]:
    yield FolderCamera(options["path"], clock)
