"""Remotes that fail beside a camera that does not: does it keep its pace, and is anything left behind?

The whole hub with a camera, a second one that Azure Face recognises, and crops in S3, all on this machine. In each
round all is well for a while, then Azure is ill in every way, one after the other, or S3, or one camera beside for each
way in which a stream or a snapshot can be ill. What is counted begins with the change, so the onset is in it. "nothing"
goes through the same without any fault: it says how far two windows differ by themselves, and what grows by itself.
Memory is compared from the end of the first round on: libraries, caches and pools have grown by then.

After each way hub.yaml is read anew, as after somebody mended it: a recogniser that is parked comes back, and neither
plugin rests any more from the way before. Then fault after fault is provoked; see fault_memory.py.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import voluptuous as vol
from PIL import Image
from sqlalchemy import text

from hub.app import Paths, School, open_enrolment, open_school
from hub.plugin import CameraEvent, CameraSpec, SystemClock
from hub.portraits import read_pupils
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.works import Works, open_works
from plugins.cameras import http_snapshot, rtsp
from tests.support import squares
from tests.support.azure import crop
from tests.support.azure.server import KEY
from tests.support.distributions import install
from tests.support.rtsp_server import serving
from tests.support.s3_servers import Server, rclone

from . import fault_memory
from .held import Held
from .ill import REFUSE, WAYS, WELL, Befallen, Ill, ill
from .measure import report

LEAST = 0.9
"""The share of its pace that the healthy camera must keep."""
WINDOW = 1.2
"""Seconds of each way, from its onset."""
LONG_WINDOW = 5.0
"""Seconds without a fault, or with all of the cameras' together."""
SETTLING = 0.4
"""Seconds from the end of faults to the next window."""
MOST = 10.0
"""Megabytes that the hub may grow by from the end of the first round on: it works all the time, and its databases'
caches grow by 3 MB in the first two minutes without any fault."""
UNDER_WAY = 5
"""Files and tasks of the frames and crops that it happens to be at."""
BUCKET = "bench"
HUB_YAML = """\
hub: {{name: Bench, time_zone: UTC}}
recognizer:
  - {{id: local, platform: squares}}
  - {{id: cloud, platform: azure_face, endpoint: "{azure}", key: {key}, group: school, train_after: 0 s,
     timeout: {timeout}, calls_per_second: 1000, monthly_cap: 1000000000}}
storage: {storage}
cameras:
  - {{platform: folder, id: healthy, room: "101", path: pictures, mode: loop, every: 100 ms}}
  - {{platform: folder, id: far, room: "102", path: pictures, mode: loop, every: 500 ms, recognizer: cloud}}
"""
(RTSP,), (SNAPSHOT,) = (plugin.fras_plugins() for plugin in (rtsp, http_snapshot))


def run(full: bool = False) -> None:
    logging.getLogger("fras").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="fras-bench-") as place,
        rclone(Path(place)) as server,
        serving() as stream,
        ill(server.endpoint, stream.port, Path(place)) as remotes,
        pytest.MonkeyPatch.context() as patch,
    ):
        server.make(BUCKET)
        patch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=remotes.authority))
        asyncio.run(_pace(remotes, 5 if full else 2))
        asyncio.run(fault_memory.measure(remotes, 10_000 if full else 500))


@dataclass
class Running:
    school: School
    works: Works
    write: Callable[[], None]
    """Writes hub.yaml with other values of what does not matter, so that recognisers and storage are opened anew."""

    async def recognised(self) -> int:
        """Frames of the healthy camera so far."""
        async with self.school.database.read() as connection:
            query = text("SELECT count(*) FROM frames WHERE camera = 'healthy' AND outcome = 'recognised'")
            return int((await connection.execute(query)).scalar_one())

    async def anew(self) -> None:
        await asyncio.to_thread(self.write)
        await self.works.reload()


async def _pace(remotes: Ill, rounds: int) -> None:
    async with _hub(remotes) as hub:
        passing: dict[str, Callable[[Pace], Awaitable[None]]] = {
            "nothing": partial(_calls, hub, remotes, "azure", [WELL] * 3),
            "azure": partial(_calls, hub, remotes, "azure", WAYS["azure"]),
            "s3": partial(_calls, hub, remotes, "s3", WAYS["s3"]),
            "cameras": partial(_cameras, hub, remotes),
        }
        await Pace(hub).window("warming up", LONG_WINDOW)
        for name, go_through in passing.items():
            held, of_each, shares = list[Held](), list[Pace](), list[float]()
            befallen = await remotes.befallen()
            for _ in range(rounds):
                alone, beside = Pace(hub), Pace(hub)
                await alone.window(WELL, LONG_WINDOW)
                await go_through(beside)
                await asyncio.sleep(SETTLING)
                of_each.append(beside)
                shares.append(beside.whole / alone.whole)
                held.append(Held.now())
            share = statistics.median(shares)
            met = _met(name, befallen, await remotes.befallen(), of_each[0].ways)
            pace = statistics.median(one.whole for one in of_each)
            ways = {way: round(statistics.median(one.of(way) for one in of_each) / pace, 2) for way in of_each[0].ways}
            report(
                "faults",
                ill=name,
                share_of_pace=round(share, 3),
                target=LEAST,
                reached=share >= LEAST and held[-1].flat_since(held[0], MOST, UNDER_WAY) and all(met.values()),
                worst_round=round(min(shares), 3),
                frames_a_second=round(pace, 2),
                pace_of_each_way_to_the_mean=ways,
                met=met,
                **held[-1].since(held[0]),
                load=round(os.getloadavg()[0], 1),
            )


class Pace:
    """Frames of the healthy camera that were recognised, by windows of time."""

    def __init__(self, hub: Running) -> None:
        self._hub = hub
        self._counted: dict[str, tuple[int, float]] = {}

    @property
    def ways(self) -> Sequence[str]:
        return list(self._counted)

    @property
    def whole(self) -> float:
        """Frames a second over all windows."""
        return sum(n for n, _ in self._counted.values()) / sum(taken for _, taken in self._counted.values())

    def of(self, way: str) -> float:
        frames, taken = self._counted[way]
        return frames / taken

    async def window(self, way: str, seconds: float, begin: Callable[[], Awaitable[object]] | None = None) -> None:
        """From before `begin` on."""
        start, before = time.monotonic(), await self._hub.recognised()
        if begin:
            await begin()
        await asyncio.sleep(seconds)
        frames, taken = self._counted.get(way, (0, 0.0))
        self._counted[way] = (
            frames + await self._hub.recognised() - before, taken + time.monotonic() - start
        )  # fmt: skip


async def _calls(hub: Running, remotes: Ill, remote: str, ways: Sequence[str], pace: Pace) -> None:
    for way in ways:
        await pace.window(way, WINDOW, partial(remotes.become, remote, way))
        await remotes.become(remote, WELL)
        await hub.anew()
        await asyncio.sleep(SETTLING)


async def _cameras(hub: Running, remotes: Ill, pace: Pace) -> None:
    names = []

    async def deliver(camera: str, event: CameraEvent) -> None:
        """Nobody looks at what they show before they fail."""

    async def start() -> None:
        for kind, spec, urls in (("stream", RTSP, remotes.streams), ("snapshot", SNAPSHOT, remotes.snapshots)):
            for way, url in urls.items():
                names.append(f"{kind} {way}")
                _start(spec, names[-1], url)

    def _start(spec: CameraSpec, name: str, url: str) -> None:
        config = vol.Schema(dict(spec.config_schema))({"url": url, "every": "50 ms", "timeout": "300 ms"})
        hub.school.supervisor.start_camera(name, spec, config, deliver)

    try:
        await pace.window("all at once", LONG_WINDOW, start)
    finally:
        await hub.school.supervisor.stop(*names)


def _met(name: str, before: Befallen, after: Befallen, ways: Sequence[str]) -> dict[str, int]:
    """How many connections met each way; of those that are refused nobody can count any."""
    kinds = ("stream", "snapshot") if name == "cameras" else (name,)
    counted = {way: after[way] - before.get(way, 0) for way in after if way.split(" ", 1)[0] in kinds}
    if name != "cameras":
        counted |= {f"{name} {way}": 0 for way in ways if f"{name} {way}" not in counted and way not in (REFUSE, WELL)}
    return counted


@asynccontextmanager
async def _hub(remotes: Ill) -> AsyncIterator[Running]:
    """Running, with somebody enrolled whom both cameras show all the time."""
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        base, numbers = Path(place), count()
        install(base / "site", "fras-squares", "squares", inspect.getsource(squares))
        sys.path.insert(0, str(base / "site"))
        for folder in ("pictures", "portraits/ada"):
            (base / folder).mkdir(parents=True)
        Image.fromarray(crop("ada", face=150).pixels).save(base / "portraits/ada/0.png")
        for number in range(4):
            Image.fromarray(crop("ada", face=80, brightness=number).pixels).save(base / f"pictures/{number}.png")

        def write() -> None:
            other = next(numbers) % 2
            bucket = Server(remotes.s3).config(BUCKET, ca_file=remotes.authority, spool=f"{500 + other} MB")
            written = HUB_YAML.format(
                azure=remotes.azure, key=KEY, timeout=f"{1000 + other} ms",
                storage=json.dumps({"platform": "s3", **bucket}),
            )  # fmt: skip
            (base / "hub.yaml").write_text(written, "utf-8")

        write()
        try:
            async with open_school(Paths.of(base / "hub.yaml", None), own=True) as school:
                pupils = [*read_pupils(base / "portraits")]
                signature = Signature(Consent.GRANTED, "a parent", "")
                await register_people(school.database, pupils, signature, SystemClock())
                async with open_enrolment(school) as enrolment:
                    async for _ in enrolment.enrol(pupils):
                        pass
                async with open_works(school) as works:
                    yield Running(school, works, write)
        finally:
            sys.path.remove(str(base / "site"))
