"""One hub a data folder: the second one is told who the first is."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.failure import Failure

NAME = "hub.lock"


class DataFolderInUse(Failure):
    """Another hub runs on the data folder. `pid` is its process, None if it has not said so yet."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"a hub is already running on the data folder {folder} ({who})",
            hint="stop it first, or give this one a folder of its own with --data",
        )
        self.pid = pid


def in_use(folder: Path) -> bool:
    """Whether a hub runs on the data folder now. Raises Failure for an unusable folder."""
    try:
        with lock_data_folder(folder):
            return False
    except DataFolderInUse:
        return True


@contextmanager
def lock_data_folder(folder: Path) -> Iterator[None]:
    """Holds the data folder, making it if need be; the kernel lets go even if the process is killed.

    Commands that only read do not take the lock. Raises DataFolderInUse, and Failure for an unusable folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DataFolderInUse(folder, _holder(file)) from None
            raise _unusable(folder, error) from None
        # The file stays when the lock goes: removing it would let two hubs lock two files of one name.
        yield
    finally:
        os.close(file)


def _holder(file: int) -> int | None:
    text = os.pread(file, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _unusable(folder: Path, error: OSError) -> Failure:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    help_it = "free some space there" if full else "give the user that runs fras write access to it"
    return Failure(
        f"the data folder {folder} cannot be used: {error.strerror}", hint=f"{help_it}, or choose another with --data"
    )
