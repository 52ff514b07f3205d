"""The storage as the hub sees it: every call in one of the plugin's threads, every failure with its meaning."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from hub.plugin import NeedsHuman, NotFound, NotReady, PluginContext, StorageFull
from hub.plugin.keys import key_parts

from .disk import Disk

P = ParamSpec("P")
T = TypeVar("T")

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR, errno.EISDIR})


class LocalDisk:
    def __init__(self, disk: Disk, context: PluginContext) -> None:
        self._disk = disk
        self._context = context

    async def put(self, key: str, data: bytes) -> None:
        await self._run(self._disk.put, key_parts(key), data)

    async def get(self, key: str) -> bytes:
        try:
            return await self._run(self._disk.get, key_parts(key))
        except FileNotFoundError:
            raise NotFound(f"storage {self._context.instance_id} has nothing under {key}") from None

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """One folder at a time, so that a hundred thousand crops are never in memory at once."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            names = await self._run(self._disk.names, folder)
            # Sorted by whole keys: a folder's name counts with its slash, as it does in the keys below it.
            for name in sorted((folder + name for name in names), reverse=True):
                if name.endswith("/"):
                    if name.startswith(prefix) or prefix.startswith(name):
                        waiting.append(name)
                elif name.startswith(prefix):
                    waiting.append(name)
            while waiting and not waiting[-1].endswith("/"):
                yield waiting.pop()

    async def delete(self, key: str) -> None:
        await self._run(self._disk.delete, key_parts(key))

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        """None: the hub serves the bytes itself."""
        key_parts(key)
        return None

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        name = self._context.instance_id
        try:
            return await self._context.run_blocking(call, *args, **kwargs)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in NO_ROOM:
                raise StorageFull(
                    f"storage {name}: no room left on its disk", hint="free some space or shorten storage: keep:"
                ) from None
            if error.errno == errno.ENAMETOOLONG:
                raise ValueError("a segment of the key is too long for this disk") from None
            if error.errno in NO_RIGHT:
                raise NeedsHuman(
                    f"storage {name}: {error.strerror}",
                    hint="look for wrong rights, links or foreign files in its folder",
                ) from None
            raise NotReady(f"storage {name}: {error.strerror}", hint="check the disk") from None
