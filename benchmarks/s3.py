"""The whole hub with its pictures in a bucket 50 ms away against the same hub with them on its own disk, at once.

In each round the bucket's turn is between those of two hubs with local disks, and counts against their mean: two equal
hubs in one process differ by some per cent in a round, by themselves and by their turn. How much they do is told.

A turn counts until every frame is concluded and, in the one case, every crop is in the bucket. The server is rclone,
in a process of its own, behind a proxy in another that lets every byte wait for half the latency on each way.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from hub.plugin.media import encode_jpeg
from hub.portraits import Pupil
from tests.support.s3_servers import Server, fault_proxy, rclone, rclone_program

from .frames import frames, shown
from .measure import Rounds, Skipped, report
from .pipeline import CAMERAS, PORTRAITS, Delivery
from .school import folder, pupils, running_hub

LATENCY = 0.05
"""Seconds for a request and its answer, injected."""
LEAST = 0.9
"""The share of the local disk's speed that is asked for."""
BUCKET = "bench"
LOCAL = "{platform: local_disk}"


def run(full: bool = False) -> None:
    if rclone_program() is None:
        raise Skipped("rclone is not installed; scripts/services brings it")
    images = [encode_jpeg(pixels) for pixels in frames().values()] * 24
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place, rclone(Path(place)) as server:
        server.make(BUCKET)
        with _far(server) as far:
            asyncio.run(_compare(images, far, 8 if full else 2))


async def _compare(images: Sequence[bytes], far: Server, rounds: int) -> None:
    people = pupils(sorted({portrait.parent for portrait in shown()}), PORTRAITS)
    measured = Rounds()
    section = json.dumps({"platform": "s3", **far.config(BUCKET)})
    async with AsyncExitStack() as stack:
        local, _ = await stack.enter_async_context(_school(LOCAL, people))
        remote, spool = await stack.enter_async_context(_school(section, people))
        twin, _ = await stack.enter_async_context(_school(LOCAL, people))
        works = [("local", local), ("s3", remote), ("twin", twin)]
        for _, delivery in works:
            await delivery.work(images[:4])
        for _ in range(rounds):
            for name, delivery in works:
                await asyncio.to_thread(measured.wait)
                with measured.turn(name):
                    await delivery.work(images)
                    with measured.turn(f"{name} uploads"):
                        while any(spool.iterdir()):  # noqa: ASYNC110 (it is files that change)
                            await asyncio.sleep(0.01)
            works.reverse()
    times = measured.times
    speed = _share(times.taken)
    report(
        "s3",
        frames=len(images),
        latency_ms=LATENCY * 1000,
        share_of_local_speed=round(speed, 3),
        target=LEAST,
        reached=speed >= LEAST,
        cpu_to_local=round(1 / _share(times.spent), 3),
        local_to_local=round(times.ratio("twin", to="local"), 3),
        frames_a_second=round(len(images) / times.median("s3"), 2),
        seconds_until_the_last_crop_was_there=round(times.median("s3 uploads"), 2),
        crops=len(far.client().list_objects_v2(Bucket=BUCKET, Prefix="crops/").get("Contents", ())),
        others=times.others,
    )


def _share(seconds: Mapping[str, Sequence[float]]) -> float:
    """What the two local hubs needed, of what the one with the bucket did; the median round."""
    rounds = zip(seconds["local"], seconds["s3"], seconds["twin"], strict=True)
    return statistics.median((local + twin) / 2 / s3 for local, s3, twin in rounds)


@asynccontextmanager
async def _school(storage: str, people: Sequence[Pupil]) -> AsyncIterator[tuple[Delivery, Path]]:
    """A running hub, and where its crops would wait for a bucket."""
    with folder(80, CAMERAS, storage) as paths:
        async with running_hub(paths, people) as (_, hub):
            yield Delivery(hub), paths.data / "plugins" / "storage" / "s3" / "waiting"


@contextmanager
def _far(server: Server) -> Iterator[Server]:
    """The server behind the latency, which is made by a process of its own."""
    apart = multiprocessing.get_context("spawn")
    here, there = apart.Pipe()
    process = apart.Process(target=_delay, args=(server.endpoint, there))
    process.start()
    try:
        yield Server(here.recv())
    finally:
        here.send(None)
        process.join()


def _delay(endpoint: str, pipe: Connection) -> None:
    async def serve() -> None:
        async with fault_proxy(endpoint) as proxy:
            proxy.latency = LATENCY
            pipe.send(proxy.endpoint)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(serve())
