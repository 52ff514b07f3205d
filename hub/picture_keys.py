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
"""The file of the data folder that tells this hub's pictures from others': a mark a line, the first for new ones, the
others of hubs that this one has succeeded. Backups hold it: a restored hub is the successor, for its nodes, too."""
BITS = 32


@dataclass(frozen=True, slots=True)
class PictureKeys:
    """`mark` is what the names of this hub's pictures end with, BITS long; `succeeded` are those of former hubs."""

    mark: int
    succeeded: frozenset[int] = frozenset()

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
            mark = name.int & (1 << BITS) - 1
            if name.version != 7 or (mark != self.mark and mark not in self.succeeded):
                return None
            return datetime.fromtimestamp((name.int >> 80) / 1000, UTC)
        except (ValueError, OverflowError):
            return None


def keys_of(data: Path) -> PictureKeys:
    """Those of the hub with this data folder, whose mark is made when there is none. Raises Failure."""
    file = data / NAME
    try:
        if not (marks := read(file)):
            _write(file, [secrets.randbits(BITS)], anew=not file.exists())
            marks = read(file)
        return PictureKeys(marks[0], frozenset(marks[1:]))
    except (OSError, IndexError) as error:
        raise Failure(
            f"{file} cannot be kept: {error.strerror if isinstance(error, OSError) else 'another program changes it'}",
            hint="give the user that runs fras the right to read and write it",
        ) from None


def succeed(file: Path, *others: Path) -> None:
    """Makes `file` of the marks in `others`, the first one's first. Raises OSError."""
    if marks := list(dict.fromkeys(mark for other in others for mark in read(other))):
        _write(file, marks)


def read(file: Path) -> list[int]:
    """The marks in it, nothing for one that is not there or says nothing. Raises OSError."""
    try:
        lines = file.read_bytes().split()
    except FileNotFoundError:
        return []
    marks = []
    for line in lines:
        with suppress(ValueError):
            marks.append(int(line, 16) & (1 << BITS) - 1)
    return marks


def _write(file: Path, marks: list[int], *, anew: bool = False) -> None:
    """With `anew` whoever is first, of several processes, has made it."""
    fresh = file.with_name(f"{NAME}-{uuid.uuid4().hex}")
    try:
        with fresh.open("x", encoding="ascii") as written:
            written.writelines(f"{mark:08x}\n" for mark in marks)
            written.flush()
            os.fsync(written.fileno())
        if anew:
            try:
                os.link(fresh, file)
                return
            except FileExistsError:
                return
            except OSError:  # a disk without hard links
                pass
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
