"""Files under keys in one folder, synchronous; no key and no symbolic link leads out of the folder."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hub.plugin.keys import KEY_SEGMENT

UNFINISHED = "+"
"""Begins the name of a file that is being written; no key can contain it."""
RETRIES = 10
NOTHING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""How the system says that a path leads to no file without following links."""


class Disk:
    """Raises OSError as the disk gives it, from the constructor too when the folder cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for unfinished in folder.rglob(f"{UNFINISHED}*"):
            if unfinished.is_file():
                unfinished.unlink(missing_ok=True)
        probe = folder / f"{UNFINISHED}{uuid.uuid4().hex}"
        probe.touch(mode=0o600)
        probe.unlink()

    def put(self, parts: Sequence[str], data: bytes) -> None:
        """Durable when it returns: the file is synced, then its name."""
        for attempt in range(RETRIES):
            try:
                return self._put(parts, data)
            except FileNotFoundError:  # A delete has just pruned the folder.
                if attempt == RETRIES - 1:
                    raise
        return None

    def get(self, parts: Sequence[str]) -> bytes:
        """Raises FileNotFoundError for whatever is no file of ours: folders, links, what lies behind them."""
        try:
            with self._folder(parts[:-1]) as folder:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                file = os.open(parts[-1], flags, dir_fd=folder)
        except OSError as error:
            if error.errno in NOTHING:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
            raise
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            with open(file, "rb", closefd=False) as reader:
                return reader.read()
        finally:
            os.close(file)

    def names(self, folder: str) -> list[str]:
        """What is in `folder` (with its final slash, "" for the root): files, and folders with a final slash."""
        try:
            with self._folder(folder.split("/")[:-1]) as opened, os.scandir(opened) as entries:
                return [
                    entry.name + "/" * entry.is_dir(follow_symlinks=False)
                    for entry in entries
                    if KEY_SEGMENT.fullmatch(entry.name) and not entry.is_symlink()
                ]
        except FileNotFoundError:
            return []

    def delete(self, parts: Sequence[str]) -> None:
        """Fine if there is nothing; folders left empty go too."""
        try:
            with self._folder(parts[:-1]) as folder:
                os.unlink(parts[-1], dir_fd=folder)
                os.fsync(folder)
            for depth in range(len(parts) - 1, 0, -1):
                with self._folder(parts[: depth - 1]) as folder:
                    os.rmdir(parts[depth - 1], dir_fd=folder)
        except OSError as error:
            if error.errno not in NOTHING | {errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR}:
                raise

    def _put(self, parts: Sequence[str], data: bytes) -> None:
        unfinished = f"{UNFINISHED}{uuid.uuid4().hex}"
        with self._folder(parts[:-1], make=True) as folder:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                file = os.open(unfinished, flags, 0o600, dir_fd=folder)
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(file, rest) :]
                    os.fsync(file)
                finally:
                    os.close(file)
                os.rename(unfinished, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(unfinished, dir_fd=folder)
                raise
            os.fsync(folder)

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The folder, opened step by step without following a link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        opened = os.open(self._root, flags)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=opened)
                        os.fsync(opened)
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=opened)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)
