"""The local_disk storage, opened as the hub opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.plugin import Storage
from hub.runtime.context import Context, nothing_acknowledged
from hub.runtime.threads import DaemonPool
from plugins.storage.local_disk import open_storage
from tests.support.plugins import surroundings


@asynccontextmanager
async def local_disk(folder: Path, path: str | None = None) -> AsyncIterator[Storage]:
    """Keeps its files in `folder`/own unless `path`, relative to `folder`, says otherwise."""
    pool = DaemonPool("storage")
    own = folder / "own"
    own.mkdir(exist_ok=True)
    context = Context("storage", own, surroundings(folder), pool, lambda message: None, nothing_acknowledged)
    try:
        async with open_storage({} if path is None else {"path": path}, context) as storage:
            yield storage
    finally:
        pool.close()
