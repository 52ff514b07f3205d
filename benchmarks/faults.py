"""Remotes that fail beside a camera that does not: does it keep its pace, and is anything left behind?

The whole hub with a camera, a second one that Azure Face recognises, and crops in S3, all on this machine. In turns all
is well, or Azure, or S3, or 18 cameras beside are ill in every way. Then fault after fault of each remote is provoked,
as fast as it goes, and what the process holds is looked at after a tenth of them and after all.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import json
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import voluptuous as vol
from PIL import Image
from sqlalchemy import text

from hub.app import Paths, School, open_enrolment, open_school
from hub.plugin import CameraEvent, CameraSpec, PluginError, SystemClock
from hub.plugin.testing import make_context
from hub.portraits import read_pupils
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.works import open_works
from plugins.cameras import http_snapshot, rtsp, usb
from plugins.storage import s3
from tests.support import squares
from tests.support.azure import crop
from tests.support.azure.client import ManualClock, api
from tests.support.azure.server import KEY
from tests.support.distributions import install
from tests.support.rtsp_server import serving
from tests.support.s3_servers import Server, rclone

from .ill import AZURE, S3, WELL, Ill, ill
from .measure import report

LEAST = 0.9
"""The share of its pace that the healthy camera must keep."""
FLAT = 5.0
"""Megabytes that the process may grow by between a tenth of the faults and all of them."""
IDLE_THREADS = 4
"""A pool may start so many more meanwhile; it keeps them."""
SETTLING = 3.0
"""Seconds from a change of the remotes to the window that is counted: it is not what starting 18 cameras costs."""
BUCKET = "bench"
HUB_YAML = """\
hub: {{name: Bench, time_zone: UTC}}
recognizer:
  - {{id: local, platform: squares}}
  - {{id: cloud, platform: azure_face, endpoint: "{azure}", key: {key}, group: school, train_after: 0 s, timeout: 1 s,
     calls_per_second: 1000, monthly_cap: 1000000000}}
storage: {storage}
cameras:
  - {{platform: folder, id: healthy, room: "101", path: pictures, mode: loop, every: 100 ms}}
  - {{platform: folder, id: far, room: "102", path: pictures, mode: loop, every: 500 ms, recognizer: cloud}}
"""
(RTSP,), (SNAPSHOT,), (USB,), (BUCKETS,) = (plugin.fras_plugins() for plugin in (rtsp, http_snapshot, usb, s3))


def run(full: bool = False) -> None:
    logging.getLogger("fras").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="fras-bench-") as place,
        rclone(Path(place)) as server,
        serving() as stream,
        ill(server.endpoint, stream.port) as remotes,
    ):
        server.make(BUCKET)
        asyncio.run(_pace(remotes, 8 if full else 4, 8.0 if full else 4.0))
        asyncio.run(_often(remotes, 10_000 if full else 1_000))


async def _pace(remotes: Ill, rounds: int, seconds: float) -> None:
    async with _hub(remotes) as school:
        ways: dict[str, Callable[[], Any]] = {
            "azure": partial(_ill, remotes, "azure", itertools.cycle([how for how in AZURE if how != WELL])),
            "s3": partial(_ill, remotes, "s3", itertools.cycle([how for how in S3 if how != WELL])),
            "cameras": partial(_failing_cameras, school, remotes.ports),
        }
        await asyncio.sleep(3)
        for name, way in ways.items():
            before, shares, paces = _held(), [], []
            for _ in range(rounds):
                alone = await _frames_a_second(school, seconds)
                async with way():
                    beside = await _frames_a_second(school, seconds)
                shares.append(beside / alone)
                paces.append(beside)
            await asyncio.sleep(SETTLING)
            after, share = _held(), statistics.median(shares)
            report(
                "faults",
                ill=name,
                share_of_pace=round(share, 3),
                target=LEAST,
                reached=share >= LEAST,
                worst_window=round(min(shares), 3),
                frames_a_second=round(statistics.median(paces), 2),
                megabytes_more=_grown(before, after),
                threads=[before["threads"], after["threads"]],
                open_files=[before["files"], after["files"]],
                load=round(os.getloadavg()[0], 1),
            )


@asynccontextmanager
async def _hub(remotes: Ill) -> AsyncIterator[School]:
    """Running, with somebody enrolled whom both cameras show all the time."""
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        base = Path(place)
        install(base / "site", "fras-squares", "squares", inspect.getsource(squares))
        sys.path.insert(0, str(base / "site"))
        for folder in ("pictures", "portraits/ada"):
            (base / folder).mkdir(parents=True)
        Image.fromarray(crop("ada", face=150).pixels).save(base / "portraits/ada/0.png")
        for number in range(4):
            Image.fromarray(crop("ada", face=80, brightness=number).pixels).save(base / f"pictures/{number}.png")
        storage = json.dumps({"platform": "s3", **Server(remotes.s3).config(BUCKET)})
        (base / "hub.yaml").write_text(HUB_YAML.format(azure=remotes.azure, key=KEY, storage=storage), "utf-8")
        try:
            async with open_school(Paths.of(base / "hub.yaml", None), own=True) as school:
                pupils = [*read_pupils(base / "portraits")]
                signature = Signature(Consent.GRANTED, "a parent", "")
                await register_people(school.database, pupils, signature, SystemClock())
                async with open_enrolment(school) as enrolment:
                    async for _ in enrolment.enrol(pupils):
                        pass
                async with open_works(school):
                    yield school
        finally:
            sys.path.remove(str(base / "site"))


@asynccontextmanager
async def _ill(remotes: Ill, remote: str, ways: Iterator[str]) -> AsyncIterator[None]:
    await remotes.become(remote, next(ways))
    await asyncio.sleep(SETTLING)
    try:
        yield
    finally:
        await remotes.become(remote, WELL)
        await asyncio.sleep(SETTLING)


@asynccontextmanager
async def _failing_cameras(school: School, ports: Sequence[int]) -> AsyncIterator[None]:
    names = []

    async def deliver(camera: str, event: CameraEvent) -> None:
        """Nobody looks at what they show before they fail."""

    def start(name: str, spec: CameraSpec, **config: str) -> None:
        names.append(name)
        school.supervisor.start_camera(name, spec, vol.Schema(dict(spec.config_schema))(config), deliver)

    for port in ports:
        place = f"127.0.0.1:{port}"
        start(f"stream-{port}", RTSP, url=f"rtsp://{place}/mjpeg", every="50 ms", timeout="300 ms")
        start(f"snapshot-{port}", SNAPSHOT, url=f"http://{place}/x.jpg", every="50 ms", timeout="300 ms")
    await asyncio.sleep(SETTLING)
    try:
        yield
    finally:
        await school.supervisor.stop(*names)
        await asyncio.sleep(SETTLING)


async def _frames_a_second(school: School, seconds: float) -> float:
    """That the healthy camera delivered and the hub recognised."""
    start, before = time.monotonic(), await _recognised(school)
    await asyncio.sleep(seconds)
    return (await _recognised(school) - before) / (time.monotonic() - start)


async def _recognised(school: School) -> int:
    async with school.database.read() as connection:
        query = text("SELECT count(*) FROM frames WHERE camera = 'healthy' AND outcome = 'recognised'")
        return int((await connection.execute(query)).scalar_one())


async def _often(remotes: Ill, count: int) -> None:
    """So many faults of each remote, each of which a server has counted, but for the device's."""
    remote: dict[str, tuple[Callable[[Path, Ill], Any], str | None]] = {
        "azure": (_azure, "http"), "s3": (_s3, "http"), "rtsp": (_rtsp, "rtsp"), "http_snapshot": (_snapshot, "http"),
        "usb": (_usb, None),
    }  # fmt: skip
    for name, (failing, server) in remote.items():
        counted = await remotes.answered()
        with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
            async with failing(Path(place), remotes) as fail:
                start = time.monotonic()
                await _times(count // 10, fail)
                before = _held()
                await _times(count - count // 10, fail)
                after = _held()
        answered = (await remotes.answered())[server] - counted[server] if server else None
        report(
            "fault_memory",
            remote=name,
            faults=[count // 10, count],
            answered=answered,
            reached=_flat(before, after) and (answered is None or answered >= count),
            megabytes_more=_grown(before, after),
            megabytes=round(after["memory"] / 1e6),
            open_files=[before["files"], after["files"]],
            threads=[before["threads"], after["threads"]],
            tasks=[before["tasks"], after["tasks"]],
            seconds=round(time.monotonic() - start),
            load=round(os.getloadavg()[0], 1),
        )


async def _times(count: int, fail: Callable[[], Awaitable[None]]) -> None:
    for _ in range(count):
        try:
            await fail()
        except PluginError:
            continue
        raise AssertionError("no fault")


@asynccontextmanager
async def _azure(folder: Path, remotes: Ill) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    clock = ManualClock()
    async with api(folder, f"http://127.0.0.1:{remotes.http}", clock=clock, monthly_cap=10**9) as (service, _):

        async def fail() -> None:
            await clock.sleep(300)
            clock.slept.clear()
            await service.training(attempts=1)

        yield fail


@asynccontextmanager
async def _s3(folder: Path, remotes: Ill) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    from plugins.storage.s3 import bucket, line

    config = vol.Schema(dict(BUCKETS.config_schema))(Server(f"http://127.0.0.1:{remotes.http}").config(BUCKET))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket, "ATTEMPTS", 1)
        patch.setattr(line, "FIRST_WAIT", 0.0)
        patch.setattr(line, "LONGEST_WAIT", 0.0)
        async with make_context(folder) as context, BUCKETS.open(config, context) as storage:

            async def fail() -> None:
                await storage.get("nowhere")

            yield fail


@asynccontextmanager
async def _camera(folder: Path, spec: CameraSpec, **config: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    checked = vol.Schema(dict(spec.config_schema))(config)

    async def fail() -> None:
        async with make_context(folder) as context, spec.open(checked, context) as camera:
            async for _ in camera.events():
                pass

    yield fail


def _rtsp(folder: Path, remotes: Ill) -> Any:
    return _camera(folder, RTSP, url=f"rtsp://admin:secret@127.0.0.1:{remotes.rtsp}/live", timeout="5 s")


def _snapshot(folder: Path, remotes: Ill) -> Any:
    return _camera(folder, SNAPSHOT, url=f"http://127.0.0.1:{remotes.http}/x.jpg", timeout="5 s")


def _usb(folder: Path, remotes: Ill) -> Any:
    return _camera(folder, USB, device="/dev/null")


def _held() -> dict[str, int]:
    gc.collect()
    process = psutil.Process()
    return {
        "memory": process.memory_info().rss,
        "threads": threading.active_count(),
        "files": process.num_fds(),
        "tasks": len(asyncio.all_tasks()),
    }


def _flat(before: dict[str, int], after: dict[str, int]) -> bool:
    return (
        _grown(before, after) <= FLAT
        and after["files"] <= before["files"]
        and after["tasks"] <= before["tasks"]
        and after["threads"] <= before["threads"] + IDLE_THREADS
    )


def _grown(before: dict[str, int], after: dict[str, int]) -> float:
    return round((after["memory"] - before["memory"]) / 1e6, 1)
