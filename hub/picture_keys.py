"""Names of pictures in storage: when they were stored and by which hub, never of whom they are.

Two hubs may share a storage without knowing it: two schools that named one bucket, a hub tried out on a copy of the
database. None of them takes for an orphan what another has stored and only the other's database knows.
"""

from __future__ import annotations

import os
import secrets
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uuid6

from hub.failure import Failure

NAME = "storage-mark"
"""The file of the data folder that tells this hub's pictures from others'. A backup does not hold it: a restored hub
may run beside the one it was."""
BITS = 32


@dataclass(frozen=True, slots=True)
class PictureKeys:
    """`mark` is what the names of this hub's pictures end with, BITS long."""

    mark: int

    def new(self, prefix: str, moment: datetime) -> str:
        """A key of its own for a JPEG stored at `moment`: a UUIDv7 (RFC 9562, 5.7: 48 bits of milliseconds since 1970,
        then 74 free ones, the last of which are the mark)."""
        milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        free = uuid6.uuid7().int & (1 << 80) - 1
        return f"{prefix}{uuid.UUID(int=milliseconds << 80 | free >> BITS << BITS | self.mark)}.jpg"

    def stored_at(self, key: str) -> datetime | None:
        """When this hub stored the picture; None for one of another's, and for what is no picture of ours."""
        try:
            name = uuid.UUID(key.rsplit("/", 1)[-1].removesuffix(".jpg"))
            if name.version != 7 or name.int & (1 << BITS) - 1 != self.mark:
                return None
            return datetime.fromtimestamp((name.int >> 80) / 1000, UTC)
        except (ValueError, OverflowError):
            return None


def keys_of(data: Path) -> PictureKeys:
    """Those of the hub with this data folder, whose mark is made when there is none. Raises Failure."""
    file = data / NAME
    try:
        if not file.exists():
            _make(file)
        return PictureKeys(int(file.read_text("ascii"), 16) & (1 << BITS) - 1)
    except (OSError, ValueError) as error:
        raise Failure(
            f"{file}: {error.strerror if isinstance(error, OSError) else 'it does not hold a number'}",
            hint="give the user that runs fras the right to read and write it, or delete it: a new one is made",
        ) from None


def _make(file: Path) -> None:
    """Whoever is first, of several processes, has made it."""
    fresh = file.with_name(f"{NAME}-{uuid.uuid4().hex}")
    fresh.write_text(f"{secrets.randbits(BITS):08x}\n", "ascii")
    try:
        with suppress(FileExistsError):
            os.link(fresh, file)
    finally:
        fresh.unlink()
