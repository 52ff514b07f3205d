"""The JPEGs of a folder in the order of their names, over and over: for trying a node without a camera.

Each look takes the next; who wants the motion gate to see a still room puts one picture there. Where Pillow cannot
read a picture, or is missing, it counts as one that nothing is known of: unlike the one before.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import voluptuous as vol

from node.camera import CameraError, Luma
from node.clock import Clock
from node.jpegs import JpegLook, Masker
from node.orders import Orders

CONFIG_SCHEMA: Final = {vol.Required("path"): vol.All(str, vol.Coerce(Path))}


class FolderCamera:
    def __init__(self, folder: Path, clock: Clock, masker: Masker | None) -> None:
        self._folder = folder
        self._clock = clock
        self._masker = masker
        self._turn = count()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[JpegLook]:
        files = sorted(self._folder.glob("*.jpg"))
        if not files:
            raise CameraError(f"There is no .jpg in {self._folder}: put one there.")
        file = files[next(self._turn) % len(files)]
        try:
            jpeg = await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            raise CameraError(f"{file} cannot be read: {error.strerror}.") from None
        luma = await asyncio.to_thread(self._luma, jpeg)
        yield JpegLook(self._clock.now(), luma, jpeg, self._masker)

    def _luma(self, jpeg: bytes) -> Luma:
        if self._masker is not None:
            try:
                return self._masker.luma(jpeg)
            except CameraError:
                if self._masker.polygons:
                    raise
        unknown = np.frombuffer(hashlib.sha256(jpeg).digest(), np.uint8).reshape(4, 8)
        return np.kron(unknown, np.ones((16, 16), np.uint8))


@asynccontextmanager
async def open_camera(options: Mapping[str, Any], orders: Orders, clock: Clock) -> AsyncIterator[FolderCamera]:
    try:
        masker = Masker(orders.mask)
    except CameraError:
        if orders.mask:
            raise
        masker = None
    yield FolderCamera(options["path"], clock, masker)
