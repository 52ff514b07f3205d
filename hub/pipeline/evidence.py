"""The crops of a batch of frames: stored a few at a time, and all of them or none."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.crops import Crop, Crops
from hub.failure import Failure
from hub.plugin import Box, Picture, PluginError
from hub.plugin.media import crop_jpeg
from hub.runtime.threads import DaemonPool

logger = logging.getLogger("fras.pipeline")

AT_ONCE = 4
"""Crops that are stored at a time, so that a storage's time to answer passes for several at once."""
MARGIN = 0.15
"""What is kept around a face, as a share of its box: enough to judge it."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A face, where it is to be seen; `others` are those beside it, of which a crop shows nothing."""

    picture: Picture
    box: Box
    captured_at: datetime
    others: tuple[Box, ...] = ()


class Evidence:
    def __init__(self, crops: Crops, threads: DaemonPool) -> None:
        self._crops = crops
        self._threads = threads

    async def keep(self, faces: Sequence[Shown | None]) -> list[Crop | None]:
        """Stores a crop of each that is one. Raises what the storage raises; then none is left there."""
        waiting = deque((number, face) for number, face in enumerate(faces) if face is not None)
        kept: dict[int, Crop] = {}

        async def store() -> None:
            while waiting:
                number, face = waiting.popleft()
                try:
                    jpeg = await self._threads.run(crop_jpeg, face.picture, face.box, MARGIN, face.others)
                    kept[number] = await self._crops.put(jpeg, face.captured_at)
                except Exception:
                    waiting.clear()  # what the others have begun is waited for, and discarded
                    raise

        ends = await asyncio.gather(*(store() for _ in range(min(AT_ONCE, len(waiting)))), return_exceptions=True)
        for end in ends:
            if end is not None:
                await self.discard(kept.values())
                raise end
        return [kept.get(number) for number in range(len(faces))]

    async def discard(self, crops: Iterable[Crop | None]) -> None:
        """Removes those whose observations were not stored, or no longer name anybody."""
        try:
            await self._crops.discard([crop.key for crop in crops if crop is not None])
        except (PluginError, Failure) as error:
            logger.debug("crops are left to the next sweep: %s", error)
