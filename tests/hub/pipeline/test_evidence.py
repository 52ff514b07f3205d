"""Crops of a batch: in order, a few at a time, all or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from hub.crops import Crops
from hub.pipeline.evidence import AT_ONCE, Evidence, Shown
from hub.plugin import Box, Picture, Storage, StorageFull
from hub.plugin.media import decode
from hub.runtime.threads import DaemonPool
from tests.support import colours
from tests.support.disks import local_disk
from tests.support.facts import KEYS, SetClock, at, inbox_in


def shown(person: str, second: float = 0) -> Shown:
    pixels = colours.picture(person)
    return Shown(Picture(pixels, pixels.shape[1], pixels.shape[0]), Box(66, 2, 60, 60), at(second))


class Slow:
    """A storage that counts who is there at once, and has room for so many."""

    def __init__(self, disk: Storage, room: int) -> None:
        self.get, self.list, self.delete, self.link = disk.get, disk.list, disk.delete, disk.link
        self._disk = disk
        self.room = room
        self.tried = 0
        self.there = 0
        self.most = 0

    async def put(self, key: str, data: bytes) -> None:
        self.tried += 1
        self.there += 1
        self.most = max(self.most, self.there)
        full = self.tried > self.room
        await asyncio.sleep(0 if full else 0.02)
        self.there -= 1
        if full:
            raise StorageFull("no room")
        await self._disk.put(key, data)


@asynccontextmanager
async def keeping(folder: Path, room: int) -> AsyncIterator[tuple[Evidence, Slow]]:
    threads = DaemonPool("test")
    async with inbox_in(folder) as (database, _), local_disk(folder) as disk:
        storage = Slow(disk, room)
        yield Evidence(Crops(database, storage, SetClock(), timedelta(days=1), KEYS), threads), storage
    threads.close()


async def test_every_face_that_leaves_one_has_its_own_in_order(tmp_path: Path) -> None:
    faces = [shown(person, second) for second, person in enumerate(colours.COLOURS)]
    async with keeping(tmp_path, room=99) as (evidence, storage):
        kept = await evidence.keep([None, *faces, None])
        assert kept[0] is kept[-1] is None
        middles = [decode(await storage.get(crop.key)).pixels[30, 30] for crop in kept if crop is not None]
        assert len(middles) == len(faces)
        assert np.abs(np.array(middles, int) - list(colours.COLOURS.values())).max() < 30
        assert await evidence.keep([None]) == [None]


async def test_a_crop_shows_nobody_else(tmp_path: Path) -> None:
    ada = shown("ada")
    ada.picture.pixels[2:62, 128:140] = colours.COLOURS["dee"]  # as close as somebody on the same bench
    async with keeping(tmp_path, room=99) as (evidence, storage):
        (crop,) = await evidence.keep([replace(ada, others=(Box(127, 0, 40, 64),))])
        assert crop is not None
        pixels = decode(await storage.get(crop.key)).pixels.astype(int)
        assert not (np.abs(pixels - colours.COLOURS["dee"]).max(axis=2) < 60).any()
        assert np.abs(pixels[30, 30] - colours.COLOURS["ada"]).max() < 30


async def test_a_few_at_a_time(tmp_path: Path) -> None:
    async with keeping(tmp_path, room=99) as (evidence, storage):
        await evidence.keep([shown("ada")] * (3 * AT_ONCE))
        assert storage.most == AT_ONCE


async def test_a_storage_that_fails_is_tried_no_further_and_holds_none(tmp_path: Path) -> None:
    async with keeping(tmp_path, room=AT_ONCE + 1) as (evidence, storage):
        with pytest.raises(StorageFull):
            await evidence.keep([shown("ada")] * (5 * AT_ONCE))
        assert storage.tried < 3 * AT_ONCE
        assert storage.there == 0
        assert [key async for key in storage.list()] == []
