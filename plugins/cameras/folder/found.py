"""The files of a folder and the numbers that stand for them in the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from hub.plugin.media import walk


@dataclass(frozen=True)
class Found:
    """A file as it was when it was listed; one that changes later is another. `name` is relative to the folder."""

    path: Path
    name: str
    size: int
    mtime_ns: int

    def seq(self, at: timedelta = timedelta(0)) -> int:
        """63 bits for the frame at `at`, the same after every restart; two of a million frames collide once in 10⁷."""
        digest = blake2b(digest_size=8)
        digest.update(os.fsencode(self.name))
        digest.update(f"\0{self.size}\0{self.mtime_ns}\0{at // timedelta(microseconds=1)}".encode())
        return int.from_bytes(digest.digest(), "big") >> 1

    @cached_property
    def key(self) -> int:
        """The number of its first or only frame, which stands for the file itself."""
        return self.seq()

    @property
    def file_time(self) -> datetime:
        """When it was last written, UTC; the epoch where the file system holds nonsense."""
        try:
            return datetime.fromtimestamp(self.mtime_ns / 1e9, UTC)
        except (OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(0, UTC)

    @property
    def origin(self) -> str:
        """`name` as text that any database takes: names on disk need not be valid Unicode."""
        return os.fsencode(self.name).decode("utf-8", "replace")


def find(root: Path, on_error: Callable[[OSError], None]) -> Iterator[Found]:
    """Every file below `root`, or `root` itself; those that vanish meanwhile are left out. Raises as `walk`."""
    above = len(os.path.join(root if root.is_dir() else root.parent, ""))  # noqa: PTH118 Path drops the final slash
    for path in walk(root, on_error):
        try:
            status = path.stat()
        except OSError:
            continue
        yield Found(path, os.fspath(path)[above:].replace(os.sep, "/"), status.st_size, status.st_mtime_ns)
