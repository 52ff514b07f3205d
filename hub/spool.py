"""The inbox's files: one a frame, named by the frame's id, written so that a power cut cannot take them back."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What keeps a good file from being read for a while."""


class Spool:
    """Synchronous: the inbox calls it in its threads."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be made."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, files: Sequence[tuple[str, bytes]]) -> list[OSError | None]:
        """Writes files and syncs them; says for each what went wrong, and leaves nothing of those that failed.

        All are on their way to the disk before the first is waited for: then one commit of the file system's journal
        does for most of them (ext4: a third of the time, half of the processor's).
        """
        problems: dict[str, OSError | None] = {}
        with ExitStack() as stack:
            open_files: dict[str, int] = {}
            for name, data in files:
                try:
                    file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                    stack.callback(os.close, file)
                    _write(file, data)
                    open_files[name] = file
                except OSError as error:
                    problems[name] = error
            for name, file in open_files.items():
                try:
                    os.fsync(file)
                except OSError as error:
                    problems[name] = error
        self.remove(problems)
        return [problems.get(name) for name, _ in files]

    def sync(self) -> None:
        """Makes the names of written files durable; to be called before any of them is relied upon."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; fine if they are gone, and what cannot be removed now is swept at the next start."""
        for name in names:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError:
                continue

    def names(self) -> set[str]:
        """Every frame's file; anything else in the folder is somebody else's."""
        return {entry.name for entry in os.scandir(self._folder) if _is_frame_id(entry.name)}


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # begins to write it to the disk, and waits for nothing


def _is_frame_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
