"""Files that a power cut leaves either as they were or as they are to be."""

from __future__ import annotations

import os
from pathlib import Path


def replace(file: Path, data: bytes) -> None:
    """Writes `file` whole and durably, readable by the owner of its folder only. Raises OSError."""
    fresh = file.with_name(f".{file.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        owner = file.parent.stat()
        if os.geteuid() == 0:  # `sudo fras-node pair` writes what the service is to read
            os.fchown(handle, owner.st_uid, owner.st_gid)
        write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(file)
    sync_folder(file.parent)


def write(handle: int, data: bytes) -> None:
    """All of `data`. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
