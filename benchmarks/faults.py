"""Cameras that fail all the time beside one that does not: does it keep its pace, and is anything left behind?

A real RTSP server feeds a camera, first alone, then beside one camera for each way in which an RTSP server or a
snapshot address can fail, all under the hub's supervisor, which tries each again once a second.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import voluptuous as vol

from hub.plugin import CameraEvent, CameraSpec, Frame
from hub.runtime.context import Surroundings
from hub.runtime.health import Health
from hub.runtime.limits import Limits
from hub.runtime.supervisor import Supervisor
from plugins.cameras import http_snapshot, rtsp
from tests.support.rtsp_server import answering, drip, faulty_after, garbage, hang, misbehaving, serving

from .measure import Skipped, report

LEAST = 0.9
"""The share of its pace that the healthy camera must keep."""
RETRIES = Limits(first_retry=1.0, longest_retry=1.0)


def run(full: bool = False) -> None:
    try:
        with serving() as server, _failing(server.port) as ports, tempfile.TemporaryDirectory() as folder:
            asyncio.run(_run(server.url("/mjpeg"), ports, Path(folder), 60.0 if full else 15.0))
    except pytest.skip.Exception as reason:
        raise Skipped(str(reason)) from None


async def _run(healthy: str, ports: Sequence[int], folder: Path, seconds: float) -> None:
    (stream,), (snapshot,) = rtsp.fras_plugins(), http_snapshot.fras_plugins()
    counts = {"frames": 0, "faults": 0}

    async def deliver(camera: str, event: CameraEvent) -> None:
        counts["frames"] += camera == "healthy" and isinstance(event, Frame)

    def on_health(camera: str, health: Health) -> None:
        counts["faults"] += camera != "healthy" and health.state == "retrying"

    around = Surroundings(folder, folder, ZoneInfo("UTC"))
    async with Supervisor(around, limits=RETRIES, on_health=on_health) as supervisor:

        def start(name: str, spec: CameraSpec, **config: str) -> None:
            supervisor.start_camera(name, spec, vol.Schema(dict(spec.config_schema))(config), deliver)

        start("healthy", stream, url=healthy, every="100 ms", still_every="0 s")
        await asyncio.sleep(3)
        alone = await _pace(counts, seconds)
        failing = [f"{kind}-{port}" for kind in ("stream", "snapshot") for port in ports]
        for port in ports:
            place = f"127.0.0.1:{port}"
            start(f"stream-{port}", stream, url=f"rtsp://{place}/mjpeg", every="50 ms", timeout="300 ms")
            start(f"snapshot-{port}", snapshot, url=f"http://{place}/x.jpg", every="50 ms", timeout="300 ms")
        await asyncio.sleep(3)
        before, faults = _held(), counts["faults"]
        beside = await _pace(counts, seconds)
        after = _held()
        await supervisor.stop(*failing)
        await asyncio.sleep(1)
        ended = _held()
    report(
        "faults",
        share_of_pace=round(beside / alone, 3),
        target=LEAST,
        reached=beside >= LEAST * alone,
        frames_a_second=round(beside, 2),
        cameras_that_fail=len(failing),
        faults=counts["faults"] - faults,
        megabytes_more=round((after["memory"] - before["memory"]) / 1e6, 1),
        threads=[before["threads"], after["threads"], ended["threads"]],
        open_files=[before["files"], after["files"], ended["files"]],
    )


@contextmanager
def _failing(server: int) -> Iterator[list[int]]:
    """Ports of servers that misbehave, in a process of their own, and one where nobody listens."""
    command = [sys.executable, "-m", __name__, str(server)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [*json.loads(process.stdout.readline()), 1]
        finally:
            process.kill()


async def _fail(server: int) -> None:
    behaviours = (
        hang, drip, garbage, answering("500 Oops"), answering("461 Unsupported transport"),
        *(faulty_after(20_000, server, then) for then in (hang, drip, garbage)),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(misbehaving(behave)) for behave in behaviours]
        print(json.dumps(ports), flush=True)
        await asyncio.Event().wait()


async def _pace(counts: Mapping[str, int], seconds: float) -> float:
    start, before = time.monotonic(), counts["frames"]
    await asyncio.sleep(seconds)
    return (counts["frames"] - before) / (time.monotonic() - start)


def _held() -> dict[str, int]:
    gc.collect()
    process = psutil.Process()
    return {
        "memory": process.memory_info().rss,
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 (a folder of the kernel's)
    }


if __name__ == "__main__":
    asyncio.run(_fail(int(sys.argv[1])))
