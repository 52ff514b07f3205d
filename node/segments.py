"""The spool's files: records appended one after the other, each with checksums of its header and of what follows.

A record: 48 bytes big-endian (`_HEADER`), then its payload: a JPEG, how clear the lens was, or what was given up.
Whatever a power cut or a dying card leaves of a file, every record with a sound header is found again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Final

from node.files import sync_folder, write
from node.wire import Moment

_MAGIC: Final = b"\xf5fr\x01"
_FIELDS: Final = struct.Struct(">4sBBHIIQqQI")
"""Magic, kind, flags, zero, length and CRC-32 of the payload; number; wall, mono, boot of a Moment."""
_HEADER: Final = _FIELDS.size + 4
"""The fields and their CRC-32."""
_MOVED, _SYNCHRONISED = 1, 2
_CHUNK: Final = 1 << 16


class Kind(IntEnum):
    FRAME = 1
    WATCHED = 2
    DROPPED = 3


@dataclass(frozen=True, slots=True)
class Record:
    """A record; its payload is `length` bytes at `offset` of its file, and at hand unless it is a picture."""

    kind: Kind
    number: int
    at: Moment
    moved: bool
    offset: int
    length: int
    checksum: int
    payload: bytes = b""


class Damage:
    """Bytes of a file in which no record could be found."""


class Segment:
    """One file. `live` counts its records that are still needed, for whoever keeps it. Synchronous."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.live = 0
        self.size = path.stat().st_size if path.exists() else 0
        self._handle = -1

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Raises OSError."""
        made = cls(path)
        made._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            sync_folder(path.parent)
        except OSError:
            made.remove()
            raise
        return made

    @property
    def open(self) -> bool:
        """Whether records may still be appended."""
        return self._handle >= 0

    def append(self, kind: Kind, number: int, at: Moment, moved: bool, payload: bytes) -> Record:
        """Not durable before `sync`. Raises OSError; then the file is as it was."""
        flags = _MOVED * moved | _SYNCHRONISED * at.synchronised
        checksum = zlib.crc32(payload)
        fields = _FIELDS.pack(_MAGIC, kind, flags, 0, len(payload), checksum, number, at.wall, at.mono, at.boot)
        try:
            write(self._handle, fields + struct.pack(">I", zlib.crc32(fields)) + payload)
        except OSError:
            os.ftruncate(self._handle, self.size)
            os.lseek(self._handle, self.size, os.SEEK_SET)
            raise
        record = Record(kind, number, at, moved, self.size + _HEADER, len(payload), checksum)
        self.size = record.offset + record.length
        return record

    def sync(self) -> None:
        """Raises OSError; then nothing appended since the last time is certain."""
        os.fdatasync(self._handle)

    def seal(self) -> None:
        if self.open:
            os.close(self._handle)
            self._handle = -1

    def shorten(self, size: int) -> None:
        """To its first bytes, so many. Raises OSError."""
        os.truncate(self.path, size)
        self.size = size

    def remove(self) -> None:
        """Fine if it has gone. Raises OSError."""
        self.seal()
        self.path.unlink(missing_ok=True)

    def read(self, record: Record) -> bytes | None:
        """The payload; None when it is damaged or cannot be read."""
        try:
            with self.path.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), record.length, record.offset)
        except OSError:
            return None
        return data if len(data) == record.length and zlib.crc32(data) == record.checksum else None

    def records(self) -> Iterator[Record | Damage]:
        """What the file holds, in order; pictures are not looked at. Raises OSError."""
        with self.path.open("rb") as file:
            at = 0
            while at < self.size:
                record = self._record(file, at)
                if record is None:
                    yield Damage()
                    at = self._next_header(file, at + 1)
                    continue
                at = record.offset + record.length
                if record.kind is Kind.FRAME:
                    yield record
                    continue
                payload = file.read(record.length)
                yield replace(record, payload=payload) if zlib.crc32(payload) == record.checksum else Damage()

    def _next_header(self, file: BinaryIO, start: int) -> int:
        """Where the next sound header is, or the end."""
        while start < self.size:
            file.seek(start)
            chunk = file.read(_CHUNK)
            within = chunk.find(_MAGIC)
            if within < 0:
                start += max(len(chunk) - len(_MAGIC) + 1, 1)
            elif self._record(file, start + within) is not None:
                return start + within
            else:
                start += within + 1
        return self.size

    def _record(self, file: BinaryIO, at: int) -> Record | None:
        file.seek(at)
        record = _parse(file.read(_HEADER), at)
        return record if record is not None and record.offset + record.length <= self.size else None


def _parse(header: bytes, at: int) -> Record | None:
    if len(header) < _HEADER or struct.pack(">I", zlib.crc32(header[:-4])) != header[-4:]:
        return None
    magic, kind, flags, _, length, checksum, number, wall, mono, boot = _FIELDS.unpack(header[:-4])
    if magic != _MAGIC or kind not in tuple(Kind):
        return None
    moment = Moment(wall, mono, boot, bool(flags & _SYNCHRONISED))
    return Record(Kind(kind), number, moment, bool(flags & _MOVED), at + _HEADER, length, checksum)
