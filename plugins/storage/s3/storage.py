"""The storage as the hub sees it: what is put waits on this machine's disk until the bucket has it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Final, ParamSpec, TypeVar

from hub.plugin import NeedsHuman, NotFound, NotReady, PluginError, StorageFull
from hub.plugin.keys import is_key, key_parts

from .bucket import Bucket
from .line import LONGEST_CALL, Line
from .options import DIRECT, Options
from .refusals import READ, of_one
from .spool import Busy, Spool
from .uploads import Uploads, erase, replace

P = ParamSpec("P")
T = TypeVar("T")

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_RIGHT: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOENT})


class S3:
    def __init__(self, spool: Spool, bucket: Bucket, line: Line, uploads: Uploads, options: Options) -> None:
        self._spool = spool
        self._bucket = bucket
        self._line = line
        self._uploads = uploads
        self._options = options

    async def put(self, key: str, data: bytes) -> None:
        """Durable on this machine; where there is no room for it, in the bucket itself."""
        key_parts(key)
        try:
            await self._local(self._spool.keep, key, data)
        except StorageFull as full:
            try:
                await self._remote(partial(replace, self._spool, self._bucket, key, data, self._options))
            except PluginError:
                raise full from None
        else:
            self._uploads.to_put(key)

    async def get(self, key: str) -> bytes:
        key_parts(key)
        if (entry := await self._local(self._spool.entry, key)) is not None:
            return entry.data
        try:
            if await self._local(self._spool.is_doomed, key):
                raise NotFound(key)
            return await self._remote(partial(self._read, key))
        except NotFound:
            raise NotFound(f"{self._options.where} has nothing under {key}") from None

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Raises NotReady while the bucket is away: what it holds is not known then."""
        waiting, doomed = await self._local(self._spool.snapshot)
        ours = sorted((key for key in waiting if key.startswith(prefix)), reverse=True)
        pages = self._bucket.keys(prefix)
        while (page := await self._remote(lambda: next(pages, None))) is not None:
            for key in page:
                if not is_key(key) or key in doomed:
                    continue
                while ours and ours[-1] < key:
                    yield ours.pop()
                if ours and ours[-1] == key:
                    ours.pop()
                yield key
        while ours:
            yield ours.pop()

    async def delete(self, key: str) -> None:
        """Returns once the bucket has nothing under `key`, or never had. Raises NotReady or NeedsHuman when that cannot
        be said yet: from then on the key is not found, and the deletion follows as soon as the bucket can be used."""
        key_parts(key)
        fresh = await self._local(self._spool.doom, key)
        try:
            await self._remote(partial(self._erase, key))
        except PluginError:
            self._uploads.to_delete(key)
            if not fresh:
                raise
        else:
            self._uploads.deleted(key)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        """A signed URL of the bucket with `links: direct`; None while something is to be done under `key` there."""
        key_parts(key)
        if self._options.links != DIRECT or await self._local(self._spool.concerns, key):
            return None
        return await self._line.aside(partial(self._bucket.link, key, lifetime))

    def _read(self, key: str) -> bytes:
        with of_one(self._bucket, READ, self._options):
            return self._bucket.get(key)

    def _erase(self, key: str) -> None:
        with self._spool.claim(key, LONGEST_CALL / 2):
            erase(self._spool, self._bucket, key, self._options)

    async def _remote(self, function: Callable[[], T]) -> T:
        try:
            return await self._line.call(function)
        except Busy:
            raise NotReady(f"{self._options.where}: the key is being changed", hint="the hub tries again") from None
        except OSError as error:
            raise _of_disk(error) from None

    async def _local(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Not in the plugin's own threads: these wait for the network."""
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except OSError as error:
            raise _of_disk(error) from None


def _of_disk(error: OSError) -> PluginError:
    if error.errno in NO_ROOM:
        return StorageFull("storage s3: no room left on this machine's disk", hint="free some space")
    if error.errno in NO_RIGHT:
        return NeedsHuman(
            f"storage s3: the folder of what waits for the bucket: {error.strerror}",
            hint="give the user that runs fras write access to the data folder",
        )
    return NotReady(f"storage s3: this machine's disk: {error.strerror}", hint="check the disk")
