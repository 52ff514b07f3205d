"""Evidence crops: in storage before their row, out of storage before their row goes, and never for longer than said."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import uuid6

from hub.db import enrolments, observations
from hub.db.engine import Database
from hub.db.observations import Crop
from hub.plugin import Clock, Storage

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

    def __init__(self, database: Database, storage: Storage, clock: Clock, keep: timedelta) -> None:
        self._database = database
        self._storage = storage
        self._clock = clock
        self.keep = keep
        """For how long. A shorter time holds for what was stored before, too; a longer one does not."""

    async def put(self, data: bytes, captured_at: datetime) -> Crop:
        """Stores an encoded crop of a frame captured at `captured_at` (UTC); its row comes with its observation.

        Raises what the storage raises, StorageFull among it.
        """
        now = self._clock.now()
        key = new_key(f"{PREFIX}{captured_at.astimezone(UTC):%Y-%m-%d}/", now)
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
        """Removes crops and portraits without a row, older than GRACE, and says how many: crashes leave them."""
        before = self._clock.now() - GRACE
        removed = 0
        batch: list[str] = []
        for prefix in (PREFIX, PORTRAITS):
            async for key in self._storage.list(prefix):
                stored_at = _stored_at(key)
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
        for key in orphans:
            await self._storage.delete(key)
        return len(orphans)

    async def forget(self, person: str) -> int:
        """Removes every crop that shows the person, and says how many."""
        async with self._database.read() as connection:
            keys = await observations.crops_of(connection, person)
        await self.remove(keys)
        return len(keys)

    async def remove(self, keys: Sequence[str]) -> None:
        """Removes crops; the observations they show stay."""
        for key in keys:
            await self._storage.delete(key)
        async with self._database.write() as connection:
            await observations.drop_crops(connection, keys)


def new_key(prefix: str, moment: datetime) -> str:
    """A key of its own for a JPEG stored at `moment`, a UUIDv7 (RFC 9562, 5.7: 48 bits of milliseconds since 1970)."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return f"{prefix}{uuid.UUID(int=milliseconds << 80 | uuid6.uuid7().int & (1 << 80) - 1)}.jpg"


def _stored_at(key: str) -> datetime | None:
    """When a picture was stored, from its name; None for a name that `new_key` did not give."""
    try:
        name = uuid.UUID(key.rsplit("/", 1)[-1].removesuffix(".jpg"))
        return datetime.fromtimestamp((name.int >> 80) / 1000, UTC) if name.version == 7 else None
    except (ValueError, OverflowError):
        return None
