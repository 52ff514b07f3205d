"""What a node costs its board: `fras-node` as a process of its own, on TLS to a hub that answers.

Resident memory and processor, as the kernel counts them, in all states that a node is in: paired while nothing moves,
with a picture a second, with twenty a second until a thousand are acknowledged, after it was paired by a picture of the
code, and while it looks for a hub that went away. What it writes in an hour: `node_hour`. What a look and a JPEG cost:
`_parts`. It looks once a second; its camera is a folder of pictures, of the size that a node compares and of the size
that it sends by default. $FRAS_NODE_PYTHON names another Python to run the nodes, such as one with the packages of
Debian 12.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import psutil  # type: ignore[import-untyped]

from node.encoding import Software
from node.gate import make_gate
from node.jpegs import WIDTH
from node.orders import Orders
from node.scanner import codes
from node.wire import Moment
from tests.support.qr_pictures import Shot, photograph
from tests.support.small_hub import SmallHub, small_hub

from .measure import report
from .neighbours import Neighbours
from .node_boards import Board, compiled, room
from .node_hour import hour

MOST: Final = 60.0
"""Megabytes of resident memory that are asked for."""
SMALL: Final = (640, 480)
LARGE: Final = (1640, 1232)
SETTLE: Final = 15.0
"""Seconds; movement counts for ten."""
WINDOW: Final = 60.0
"""Seconds; as long as between two pictures of a room in which nothing moves."""
THOUSAND: Final = 1000
WARM: Final = 100
TIDY: Final = 65.0
"""Seconds in which a node gives memory back at least once."""
SOON: Final = 90.0
"""Seconds in which a node whose hub has gone looks for it."""


def run(full: bool = False) -> None:
    asyncio.run(_all(5 * WINDOW if full else WINDOW))
    _parts()


async def _all(window: float) -> None:
    await compiled()
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        async with asyncio.TaskGroup() as tasks:
            for size in (SMALL, LARGE):
                for rooms in (1, 2):
                    tasks.create_task(_watching(Path(place, f"{size[0]}-{rooms}"), size, rooms, window))
            tasks.create_task(_paired_by_picture(Path(place, "picture"), window))
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_thousand(Path(place, "thousand")))
            tasks.create_task(_discovering(Path(place, "discovering")))
    for away in (False, True):
        await hour(LARGE, away)


async def _watching(folder: Path, size: tuple[int, int], rooms: int, window: float) -> None:
    board = Board(folder, size, rooms)
    async with small_hub(folder) as hub:
        await board.pairs(hub)
        async with board.runs() as process:
            await hub.until(hub.frames, 60)
            await _observed("paired, nothing moves" if rooms == 1 else "a picture a second", size, process, hub, window)


async def _paired_by_picture(folder: Path, window: float) -> None:
    board = Board(folder, LARGE, 0)
    async with small_hub(folder) as hub:
        shown = photograph(hub.invitation().uri(), Shot(tilt=20, noise=6), seed=5, size=LARGE)
        board.shows("0.jpg", shown)
        async with board.runs() as process:
            await hub.until(hub.frames, 60)
            board.shows("0.jpg", room(LARGE, np.random.default_rng(1)))
            await _observed("after pairing by a picture", LARGE, process, hub, window)


async def _observed(state: str, size: tuple[int, int], process: psutil.Process, hub: SmallHub, window: float) -> None:
    await asyncio.sleep(SETTLE)
    neighbours, frames, before = Neighbours(), len(hub.frames()), process.cpu_times()
    resident = await _resident(process, window)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    pictures = len(hub.frames()) - frames
    _tell(
        state,
        resident,
        picture=f"{size[0]}x{size[1]}",
        bytes=len(hub.frames()[-1]),
        of_its_own_mb=round(process.memory_full_info().uss / 1e6, 1),
        share_of_a_core=round(spent / window, 4),
        pictures=pictures,
        others=round(neighbours.share, 2),
    )


async def _thousand(folder: Path) -> None:
    """Twenty pictures a second: whether memory grows with what has been sent."""
    board = Board(folder, SMALL, 2)
    async with small_hub(folder, config={"interval": 0.05}) as hub:
        await board.pairs(hub)
        async with board.runs() as process:
            for when, least in (("before", WARM), ("after", WARM + THOUSAND)):
                await hub.until(lambda: len(hub.frames()) > least, 600)  # noqa: B023
                resident = await _resident(process, TIDY)
                _tell(f"twenty pictures a second, {when} a thousand of them", resident, acknowledged=len(hub.frames()))


async def _discovering(folder: Path) -> None:
    """The hub goes away; a process of its own browses for it."""
    board, helper = Board(folder, LARGE, 1), [0]
    async with small_hub(folder) as hub:
        await board.pairs(hub)
        async with board.runs() as process:
            await hub.until(hub.frames, 60)
            await hub.kill()
            resident = await _resident(process, SOON, helper)
    _tell("looking for its hub", resident, helper_mb=round(max(helper) / 1e6, 1))


async def _resident(process: psutil.Process, seconds: float, helpers: list[int] | None = None) -> list[int]:
    """Bytes, every twentieth of a second; of its child processes into `helpers`."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
        found.append(process.memory_info().rss)
        if helpers is not None:
            with suppress(psutil.Error):
                helpers += [child.memory_info().rss for child in process.children()]
    return found


def _tell(state: str, resident: Sequence[int], **more: Any) -> None:
    """At rest, and at most: while a picture is decoded it takes one or two megabytes more."""
    usual, most = float(np.median(resident)) / 1e6, max(resident) / 1e6
    figures = {"resident_mb": round(usual, 1), "at_most_mb": round(most, 1), "target": MOST, "reached": most <= MOST}
    report("node_process", state=state, **figures, **more)


def _parts() -> None:
    """Milliseconds of processor here, of what is done at a look and for a picture that is kept."""
    chance = np.random.default_rng(1)
    luma = np.ascontiguousarray(room(SMALL, chance)[:, :, 1])
    gate, looks = make_gate(Orders()), iter(range(10**9))
    width, height = LARGE
    planes = chance.integers(100, 130, (height * 3 // 2, -(-width // 64) * 64), dtype=np.uint8)
    request = SimpleNamespace(make_array=lambda name: planes)
    encoder = Software({"main": {"size": LARGE}})
    parts: dict[str, Callable[[], object]] = {
        "motion gate": lambda: gate.judge(luma, Moment(0, next(looks) * 1_000_000, 1)),
        "JPEG by the processor": lambda: encoder.encode(request, Orders().quality),
        "looking for a code": lambda: codes(luma.data),
    }
    for part, act in parts.items():
        neighbours, took = Neighbours(), []
        for _ in range(30):
            start = time.process_time()
            act()
            took.append(time.process_time() - start)
        each = float(np.median(took))
        report(
            "node_process",
            part=part,
            picture="x".join(map(str, LARGE if "JPEG" in part else (WIDTH, SMALL[1]))),
            ms=round(each * 1e3, 2),
            share_of_a_core=round(each / Orders().interval, 4),
            others=round(neighbours.share, 2),
        )
