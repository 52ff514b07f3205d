"""The PluginContext that running plugins get."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from hub.nodes.entrances import Entrance, Entrances
from hub.plugin import Clock, NeedsHuman, SystemClock

from .threads import DaemonPool

if TYPE_CHECKING:
    import aiohttp

P = ParamSpec("P")
T = TypeVar("T")

HTTP_TIMEOUT = {"total": 60.0, "sock_connect": 10.0, "sock_read": 30.0}
"""Seconds that a plugin's request gets unless it asks for something else."""

Acknowledged: TypeAlias = Callable[[str, int, Sequence[int]], Awaitable[frozenset[int]]]
"""(camera id, epoch, sequence numbers) → those the hub holds already."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


async def nothing_acknowledged(camera: str, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
    """The answer to plugins that are no cameras."""
    return frozenset()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all plugins of one hub share. `data` is the hub's data folder, `base_folder` hub.yaml's."""

    data: Path
    base_folder: Path
    time_zone: ZoneInfo
    clock: Clock = field(default_factory=SystemClock)
    entrances: Entrances = field(default_factory=Entrances)

    def place_of(self, kind: str, instance_id: str) -> Path:
        """Where the plugin's own folder is, or would be."""
        if not _SAFE_NAME.fullmatch(instance_id):
            raise ValueError(f"{instance_id!r} cannot name a folder")
        return self.data / "plugins" / kind / instance_id

    def folder_of(self, kind: str, instance_id: str) -> Path:
        """The plugin's own folder, made for this user's eyes only; raises NeedsHuman where it cannot be made."""
        folder = self.place_of(kind, instance_id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise NeedsHuman(
                f"cannot make the data folder {folder}: {error.strerror}",
                hint="give the hub's user the right to write there",
            ) from None
        return folder


class Context:
    """One opening's context; `pool` outlives it, so that threads which hang stay counted across openings."""

    def __init__(
        self,
        instance_id: str,
        data_folder: Path,
        around: Surroundings,
        pool: DaemonPool,
        progress: Callable[[str], None],
        acknowledged: Acknowledged,
    ) -> None:
        self.instance_id = instance_id
        self.data_folder = data_folder
        self.base_folder = around.base_folder
        self.time_zone = around.time_zone
        self.clock = around.clock
        self.logger = logging.getLogger(f"fras.{instance_id}")
        self._entrances = around.entrances
        self._entrance: Entrance | None = None
        self._pool = pool
        self._progress = progress
        self._acknowledged = acknowledged
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            import aiohttp  # half a second that a command without such a plugin need not wait

            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(**HTTP_TIMEOUT))
        return self._http

    async def run_blocking(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pool.run(call, *args, **kwargs)

    def progress(self, message: str) -> None:
        self._progress(message)

    def incoming(self, orders: Mapping[str, Any] | None = None) -> Entrance:
        self._entrance = self._entrances.open(self.instance_id, orders)
        return self._entrance

    async def acknowledged(self, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        return await self._acknowledged(self.instance_id, epoch, seqs)

    async def aclose(self) -> None:
        if self._entrance is not None:
            self._entrance.close()
        if self._http is not None:
            session, self._http = self._http, None
            await session.close()


@asynccontextmanager
async def closing(context: Context) -> AsyncIterator[Context]:
    try:
        yield context
    finally:
        await context.aclose()
