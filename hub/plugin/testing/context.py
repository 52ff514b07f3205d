"""A PluginContext to open a plugin with where there is no hub."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar
from zoneinfo import ZoneInfo

import aiohttp

from hub.plugin.clock import Clock, SystemClock
from hub.plugin.types import CameraEvent

from .leaks import PATIENCE

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""As many as a plugin has in the hub."""


class StandInContext:
    """Made by `make_context`; leaving it closes its session and waits, not for ever, for its threads.

    `said` collects what the plugin told through `progress`.
    """

    def __init__(
        self,
        instance_id: str,
        data_folder: Path,
        base_folder: Path,
        time_zone: ZoneInfo,
        clock: Clock,
        held: Collection[tuple[int, int]],
        sent: Sequence[CameraEvent],
    ) -> None:
        self.instance_id = instance_id
        self.data_folder = data_folder
        self.base_folder = base_folder
        self.time_zone = time_zone
        self.clock = clock
        self.logger = logging.getLogger(f"fras.{instance_id}")
        self.said: list[str] = []
        self._held = held
        self._sent = sent
        self._http: aiohttp.ClientSession | None = None
        self._threads: list[threading.Thread] = []
        self._pool = ThreadPoolExecutor(
            THREADS, f"fras.{instance_id}", lambda: self._threads.append(threading.current_thread())
        )

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self._http

    async def run_blocking(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    def progress(self, message: str) -> None:
        self.said.append(message)

    async def incoming(self, orders: Mapping[str, Any] | None = None) -> AsyncIterator[CameraEvent]:
        for event in self._sent:
            yield event
        await asyncio.Event().wait()

    async def acknowledged(self, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        return frozenset(seq for seq in seqs if (epoch, seq) in self._held)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)  # first: whoever closes may be cancelled meanwhile
        if self._http is not None:
            await self._http.close()
        deadline = time.monotonic() + PATIENCE
        while any(t.is_alive() for t in self._threads) and time.monotonic() < deadline:  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.001)


def make_context(
    folder: Path,
    *,
    instance_id: str = "under-test",
    data_folder: Path | None = None,
    base_folder: Path | None = None,
    time_zone: str = "Europe/London",
    clock: Clock | None = None,
    held: Collection[tuple[int, int]] = (),
    sent: Sequence[CameraEvent] = (),
) -> StandInContext:
    """A context below `folder` (pytest's `tmp_path`); use it with `async with`.

    `held` are the (epoch, seq) that `acknowledged` answers with, `sent` what `incoming()` brings. Folders are
    made where they are missing.
    """
    data_folder = data_folder or folder / "data"
    base_folder = base_folder or folder
    data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    zone = ZoneInfo(time_zone)
    return StandInContext(instance_id, data_folder, base_folder, zone, clock or SystemClock(), held, sent)
