"""Evidence crops: in storage before their row, out of storage before their row goes, and never for longer than said."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hub.db import enrolments, observations
from hub.db.engine import Database
from hub.db.observations import Crop
from hub.picture_keys import PictureKeys
from hub.plugin import Clock, PluginError, Storage

__all__ = ["Crop", "Crops"]

logger = logging.getLogger("fras.crops")

PREFIX = "crops/"
PORTRAITS = "portraits/"
"""Where `hub.enrolment` keeps the pictures people were enrolled with."""
BATCH = 500
GRACE = timedelta(hours=1)
"""Age from which a crop without a row is an orphan: until then its row may be on its way."""


class Crops:
    """Crops of people who were recognised, kept for `keep`."""

    def __init__(self, database: Database, storage: Storage, clock: Clock, keep: timedelta, keys: PictureKeys) -> None:
        self._database = database
        self._storage = storage
        self._clock = clock
        self._keys = keys
        self.keep = keep
        """For how long. A shorter time holds for what was stored before, too; a longer one does not."""

    async def put(self, data: bytes, captured_at: datetime) -> Crop:
        """Stores an encoded crop of a frame captured at `captured_at` (UTC); its row comes with its observation.

        Raises what the storage raises, StorageFull among it.
        """
        now = self._clock.now()
        key = self._keys.new(f"{PREFIX}{captured_at.astimezone(UTC):%Y-%m-%d}/", now)
        await self._storage.put(key, data)
        return Crop(key, now, now + self.keep)

    async def sweep(self) -> int:
        """Removes the crops past their retention and says how many; observations stay, without pointer."""
        removed = 0
        while True:
            async with self._database.read() as connection:
                keys = await observations.expired_crops(connection, self._clock.now(), self.keep, BATCH)
            if not keys:
                return removed
            await self.remove(keys)
            removed += len(keys)

    async def sweep_orphans(self) -> int:
        """Removes the pictures of this hub without a row, older than GRACE, and says how many: crashes leave them."""
        before = self._clock.now() - GRACE
        removed = 0
        batch: list[str] = []
        for prefix in (PREFIX, PORTRAITS):
            async for key in self._storage.list(prefix):
                stored_at = self._keys.stored_at(key)
                if stored_at is not None and stored_at < before:
                    batch.append(key)
                if len(batch) >= BATCH:
                    removed += await self.discard(batch)
                    batch = []
        removed += await self.discard(batch)
        if removed:
            logger.info("%d pictures that nothing refers to removed", removed)
        return removed

    async def discard(self, keys: Sequence[str]) -> int:
        """Removes those of `keys` that have no row, and says how many: what they were stored for did not come to be."""
        if not keys:
            return 0
        portraits = [key for key in keys if key.startswith(PORTRAITS)]
        async with self._database.read() as connection:
            kept = await observations.kept_crops(connection, [key for key in keys if key not in portraits])
            kept |= await enrolments.kept_crops(connection, portraits)
        orphans = [key for key in keys if key not in kept]
        await delete_all(self._storage, orphans)
        return len(orphans)

    async def remove(self, keys: Sequence[str]) -> None:
        """Removes crops; the observations they show stay."""
        await delete_all(self._storage, keys)
        async with self._database.write() as connection:
            await observations.drop_crops(connection, keys)


async def delete_all(storage: Storage, keys: Iterable[str]) -> None:
    """Deletes each, whatever becomes of the others: a storage that is away notes what is to go, and shows it no more.

    Raises the first error, in the end.
    """
    first: PluginError | None = None
    for key in keys:
        try:
            await storage.delete(key)
        except PluginError as error:
            first = first or error
    if first is not None:
        raise first
