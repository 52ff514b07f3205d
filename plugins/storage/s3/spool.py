"""What the bucket has not got yet, on this machine's disk; synchronous, for several processes at once.

    waiting/KEY    bytes to be put; a file that was offered to the server once is no longer writable
    deleting/KEY   to be deleted, before anything is put under the key
    parts/KEY      the bucket may hold parts of an upload that did not end
    unfinished/    being written
    locks/         who changes a key in the bucket holds its lock
    bucket.json    for which bucket all this is (target.py)

In a name, `+` stands for the key's `/`. A command beside the running hub (`fras enroll`, `fras people remove`) works on
the same files: every change is one rename or unlink under one lock.
"""

from __future__ import annotations

import fcntl
import math
import os
import stat
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.plugin import StorageFull

LOCKS: Final = 64
OFFERED: Final = 0o400
KEPT: Final = 0o600
LEFT_BEHIND: Final = 3600.0
"""Seconds after which an unfinished file has nobody who writes it."""
LONGEST_NAME: Final = 255
"""Bytes, on every file system that Linux commonly has."""


class Busy(Exception):
    """Somebody else is changing the key in the bucket."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Bytes that wait. `mark` tells them from others put later under the same key."""

    data: bytes
    mark: tuple[int, int]


class Spool:
    """Raises OSError as the disk gives it, from the constructor too, and StorageFull beyond `most` bytes."""

    def __init__(self, folder: Path, most: int) -> None:
        self._waiting = folder / "waiting"
        self._deleting = folder / "deleting"
        self._parts = folder / "parts"
        self._unfinished = folder / "unfinished"
        self._locks = folder / "locks"
        self.binding = self._locks / "target"
        """What everybody who works on this spool holds a lock of."""
        for made in (self._waiting, self._deleting, self._parts, self._unfinished, self._locks):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sweep(LEFT_BEHIND)
        for note in self._deleting.iterdir():
            with suppress(FileNotFoundError):
                if note.stat().st_size:  # from when there was no parts/
                    (self._parts / note.name).touch(KEPT)
        self._most = most
        self._counting = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._used = 0
        self.scan()

    def sweep(self, age: float = -math.inf) -> None:
        """Removes unfinished files that were not written to for more than `age` seconds."""
        for left in self._unfinished.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > age:
                    left.unlink()

    def scan(self) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Every key to be put and since when (Unix time), oldest first; and the same of those under which something is
        to be deleted, first or alone."""
        clear: set[str] = set()
        found: dict[str, float] = {}
        sizes: dict[str, int] = {}
        for folder in (self._waiting, self._deleting, self._parts):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        about = entry.stat(follow_symlinks=False)
                        found[entry.name] = min(about.st_mtime, found.get(entry.name, about.st_mtime))
                        if folder is self._waiting:
                            sizes[entry.name] = about.st_size
                        elif folder is self._deleting or entry.name not in sizes:
                            clear.add(entry.name)
        with self._counting:
            self._sizes, self._used = sizes, sum(sizes.values())
        oldest_first = sorted(found.items(), key=lambda item: item[1])
        return (
            [(_key(name), since) for name, since in oldest_first if name not in clear],
            [(_key(name), since) for name, since in oldest_first if name in clear],
        )

    def changed_at(self) -> tuple[int, ...]:
        """Differs once a key came or went, whoever did it."""
        return tuple(folder.stat().st_mtime_ns for folder in (self._waiting, self._deleting, self._parts))

    def keep(self, key: str, data: bytes) -> None:
        """Durable when it returns. Raises ValueError for a key that is too long, StorageFull."""
        name = _name(key)
        with self._counting:
            if self._used - self._sizes.get(name, 0) + len(data) > self._most:
                raise StorageFull("no room to wait in for the bucket", hint="raise storage: spool:")
        written = self._write(data)
        with self.alone():
            written.rename(self._waiting / name)
        _sync(self._waiting)
        self._count(name, len(data))

    def entry(self, key: str) -> Entry | None:
        """What waits under `key`."""
        try:
            with (self._waiting / _name(key)).open("rb") as file:
                about = os.fstat(file.fileno())
                return Entry(file.read(), (about.st_ino, about.st_mtime_ns))
        except FileNotFoundError:
            return None

    def concerns(self, key: str) -> bool:
        """Whether something is to be put or deleted under `key`."""
        return (self._waiting / _name(key)).exists() or self.is_doomed(key)

    def is_doomed(self, key: str) -> bool:
        """Whether what the bucket has under `key` is to be deleted."""
        return (self._deleting / _name(key)).exists()

    def snapshot(self) -> tuple[set[str], set[str]]:
        """The keys that wait, and those to be deleted that do not."""
        waiting = {_key(name) for name in os.listdir(self._waiting)}  # noqa: PTH208 (names alone, and many)
        doomed = {_key(name) for name in os.listdir(self._deleting)}  # noqa: PTH208
        return waiting, doomed - waiting

    def doom(self, key: str) -> bool:
        """Drops what waits under `key` and notes that the bucket has to; says whether the bucket never had it.

        Durable when it returns.
        """
        name = _name(key)
        fresh = False
        note = self._write(b"")
        with self.alone():
            with suppress(FileNotFoundError):
                offered = stat.S_IMODE((self._waiting / name).stat().st_mode) == OFFERED
                fresh = not offered and not self.is_doomed(key)
            note.rename(self._deleting / name)
            (self._waiting / name).unlink(missing_ok=True)
        _sync(self._deleting)
        _sync(self._waiting)
        self._count(name, None)
        return fresh

    def expect_parts(self, key: str) -> None:
        """The bucket may hold parts of an upload of `key` from now on. Durable when it returns."""
        self.note(b"", self._parts / _name(key))

    def has_parts(self, key: str) -> bool:
        return (self._parts / _name(key)).exists()

    def parts_gone(self, key: str) -> None:
        (self._parts / _name(key)).unlink(missing_ok=True)

    def waits(self, key: str) -> bool:
        """Whether something is to be put under `key`, by the last count."""
        with self._counting:
            return _name(key) in self._sizes

    def size(self, key: str) -> int:
        """Bytes that wait under `key`, by the last count."""
        with self._counting:
            return self._sizes.get(_name(key), 0)

    def deleted(self, key: str) -> None:
        """The bucket has nothing under `key`; while its lock is held."""
        (self._deleting / _name(key)).unlink(missing_ok=True)

    def offered(self, key: str, entry: Entry) -> bool:
        """Notes that the server is about to get it; False when it is no longer there, or another."""
        path = self._waiting / _name(key)
        with self.alone():
            if not _is(path, entry):
                return False
            path.chmod(OFFERED)
        return True

    def arrived(self, key: str, entry: Entry) -> None:
        """The bucket has it."""
        name = _name(key)
        with self.alone():
            if not _is(self._waiting / name, entry):
                return
            (self._waiting / name).unlink()
        self._count(name, None)

    def note(self, data: bytes, path: Path) -> None:
        """A file beside those of the spool, on the same disk. Durable when it returns."""
        self._write(data).rename(path)
        _sync(path.parent)

    @contextmanager
    def claim(self, key: str, patience: float = 0.0) -> Iterator[None]:
        """Alone among all processes in changing `key` in the bucket. Raises Busy after `patience` seconds.

        The lock goes with the process, however it ends.
        """
        file = os.open(self._locks / lock_of(key), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, KEPT)
        try:
            deadline = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise Busy from None
                    time.sleep(0.02)
            yield
        finally:
            os.close(file)

    def _write(self, data: bytes) -> Path:
        path = self._unfinished / uuid.uuid4().hex
        try:
            with open(path, "xb", buffering=0, opener=_private) as file:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Among all processes, for the moment of a rename."""
        file = os.open(self._locks / "names", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, KEPT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _count(self, name: str, size: int | None) -> None:
        with self._counting:
            self._used -= self._sizes.pop(name, 0)
            if size is not None:
                self._sizes[name] = size
                self._used += size


def left_in(folder: Path) -> str:
    """What lies in the plugin's folder, for people: "2 pictures and 1 deletion wait"; empty for nothing."""
    counts = (
        (_files_in(folder / "waiting"), "picture"),
        (_files_in(folder / "deleting"), "deletion"),
    )
    told = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count]
    return f"{' and '.join(told)} wait{'s' if sum(count for count, _ in counts) == 1 else ''}" if told else ""


def _files_in(folder: Path) -> int:
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def lock_of(key: str) -> str:
    """The file that whoever changes `key` in the bucket holds; some keys share one."""
    return f"{zlib.crc32(key.encode()) % LOCKS:02}"


def _name(key: str) -> str:
    name = key.replace("/", "+")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a key of more than {LONGEST_NAME} characters is too long for this storage")
    return name


def _key(name: str) -> str:
    return name.replace("+", "/")


def _is(path: Path, entry: Entry) -> bool:
    try:
        about = path.stat()
    except FileNotFoundError:
        return False
    return (about.st_ino, about.st_mtime_ns) == entry.mark


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, KEPT)


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
