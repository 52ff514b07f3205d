"""Fault after fault of each remote, as fast as it goes: what the process holds after the first 1,000 and after all.

Cameras are opened and watched by the hub's own supervisor, one for each way of being ill, all at once; one that is
parked is started anew. Calls to Azure Face and S3 meet every way in turns, at one time in ten its TLS. Whoever is
silent costs a time-out, so those are fewer.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import voluptuous as vol

from hub.plugin import CameraEvent, CameraSpec, PluginError, SystemClock
from hub.plugin.testing import make_context
from hub.runtime.context import Surroundings
from hub.runtime.limits import Limits
from hub.runtime.supervisor import Supervisor
from plugins.cameras import http_snapshot, rtsp, usb
from plugins.storage import s3
from tests.support.azure.client import ManualClock, api
from tests.support.s3_servers import Server

from .held import Held
from .ill import Ill
from .measure import report

AT_ONCE = Limits(first_retry=0.001, longest_retry=0.002)
TIMEOUT = "100 ms"
LOOK = 0.1
"""Seconds between looks at how many faults there were."""
WARM = 1000
"""Faults until libraries, pools and the allocator have what they keep: it has memory of its own for each thread, and
each stream is opened in a new one."""
TLS_EACH = 10
RAREST = 0.01
"""The least share that each way has in the faults of a camera."""
(RTSP,), (SNAPSHOT,), (USB,), (BUCKETS,) = (plugin.fras_plugins() for plugin in (rtsp, http_snapshot, usb, s3))
Provoke = Callable[[int], Awaitable[None]]
"""Until there were so many faults since the beginning."""
Faulty = AbstractAsyncContextManager[tuple[Provoke, Mapping[str, int]]]
"""And how many of each way there have been so far."""


async def measure(remotes: Ill, count: int) -> None:
    """So many faults of each remote, after the first ones."""
    streams = {way: {"url": url, "timeout": TIMEOUT} for way, url in remotes.streams.items()}
    snapshots = {way: {"url": url, "timeout": TIMEOUT} for way, url in remotes.snapshots.items()}
    every: dict[str, Callable[[Path], Faulty]] = {
        "azure": partial(_calls, partial(_azure, remotes)),
        "s3": partial(_calls, partial(_s3, remotes)),
        "rtsp": partial(_cameras, RTSP, streams),
        "http_snapshot": partial(_cameras, SNAPSHOT, snapshots),
        "usb": partial(_cameras, USB, {"no camera": {"device": "/dev/null"}, "missing": {"device": "/dev/none"}}),
    }
    for name, faulty in every.items():
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fras-bench-") as folder:
            async with faulty(Path(folder)) as (provoke, faults):
                await provoke(WARM)
                before = Held.now()
                await provoke(WARM + count)
                after = Held.now()
        report(
            "fault_memory",
            remote=name,
            faults=[WARM, sum(faults.values())],
            ways=dict(faults),
            reached=after.flat_since(before) and min(faults.values()) > 0,
            **after.since(before),
            seconds=round(time.monotonic() - start),
            load=round(os.getloadavg()[0], 1),
        )


@asynccontextmanager
async def _cameras(
    spec: CameraSpec, ways: Mapping[str, Mapping[str, str]], folder: Path
) -> AsyncIterator[tuple[Provoke, Counter[str]]]:
    checked = {way: vol.Schema(dict(spec.config_schema))(dict(config)) for way, config in ways.items()}
    faults, parked = Counter[str](), Counter[str]()

    async def deliver(camera: str, event: CameraEvent) -> None:
        """Nobody looks at what they show before they fail."""

    def count() -> int:
        health = supervisor.health
        faults.update({way: parked[way] + health[way].restarts - faults[way] for way in ways if way in health})
        return sum(faults.values())

    async def again_and_again(way: str) -> None:
        while True:
            supervisor.start_camera(way, spec, checked[way], deliver)
            await supervisor.ended(way)
            await supervisor.stop(way)
            parked[way] += 1

    async def provoke(until: int) -> None:
        begun = [asyncio.create_task(again_and_again(way)) for way in ways]
        try:
            while count() < until or min(faults[way] for way in ways) < until * RAREST:
                await asyncio.sleep(LOOK)
                for task in begun:
                    if task.done():
                        task.result()
        finally:
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            parked.update({way: health.restarts for way, health in supervisor.health.items()})
            await supervisor.stop(*ways)

    around = Surroundings(folder / "data", folder, ZoneInfo("UTC"), SystemClock())
    async with Supervisor(around, limits=AT_ONCE) as supervisor:
        yield provoke, faults


@asynccontextmanager
async def _calls(
    opened: Callable[[Path], AbstractAsyncContextManager[Mapping[str, Callable[[], Awaitable[object]]]]], folder: Path
) -> AsyncIterator[tuple[Provoke, Counter[str]]]:
    """`opened` gives what to call in clear and with TLS."""
    faults = Counter[str]()
    async with opened(folder) as calls:
        turns = itertools.cycle(["tls", *["clear"] * (TLS_EACH - 1)])

        async def provoke(until: int) -> None:
            while sum(faults.values()) < until:
                way = next(turns)
                try:
                    await calls[way]()
                except PluginError:
                    faults[way] += 1
                else:
                    raise AssertionError("no fault")

        yield provoke, faults


@asynccontextmanager
async def _azure(remotes: Ill, folder: Path) -> AsyncIterator[Mapping[str, Callable[[], Awaitable[object]]]]:
    clock = ManualClock()
    async with AsyncExitStack() as stack:

        async def failing(name: str, endpoint: str) -> Callable[[], Awaitable[object]]:
            (folder / name).mkdir()
            service, _ = await stack.enter_async_context(
                api(folder / name, endpoint, clock=clock, monthly_cap=10**9, timeout=TIMEOUT)
            )

            async def fail() -> None:
                await clock.sleep(300)
                clock.slept.clear()
                await service.training(attempts=1)

            return fail

        yield {"clear": await failing("clear", remotes.calls), "tls": await failing("tls", remotes.calls_tls)}


@asynccontextmanager
async def _s3(remotes: Ill, folder: Path) -> AsyncIterator[Mapping[str, Callable[[], Awaitable[object]]]]:
    from plugins.storage.s3 import bucket, line

    short: dict[Any, dict[str, float]] = {
        bucket: {"ATTEMPTS": 1, "READ": 0.1, "CONNECT": 1.0},
        line: {"FIRST_WAIT": 0.0, "LONGEST_WAIT": 0.0, "LONGEST_CALL": 0.2},
    }
    with pytest.MonkeyPatch.context() as patch:
        for module, values in short.items():
            for name, value in values.items():
                patch.setattr(module, name, value)
        async with AsyncExitStack() as stack:

            async def failing(name: str, endpoint: str) -> Callable[[], Awaitable[object]]:
                (folder / name).mkdir()
                config = vol.Schema(dict(BUCKETS.config_schema))(Server(endpoint).config("bench"))
                context = await stack.enter_async_context(make_context(folder / name))
                storage = await stack.enter_async_context(BUCKETS.open(config, context))
                return partial(storage.get, "nowhere")

            yield {"clear": await failing("clear", remotes.calls), "tls": await failing("tls", remotes.calls_tls)}
