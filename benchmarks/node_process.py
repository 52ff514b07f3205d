"""What a node costs its board: `fras-node` as a process of its own, on TLS to a hub that answers.

It looks once a second. The camera is a folder of pictures, of the size that a node compares and of the size that it
sends by default, once with nothing that moves and once with a picture a second. All four nodes run at the same time;
figures are the kernel's.
$FRAS_NODE_PYTHON names another Python to run them with, such as one with the versions of Debian 12.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped]
from PIL import Image

from tests.support.small_hub import SmallHub, small_hub

from .measure import report
from .neighbours import Neighbours

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = os.environ.get("FRAS_NODE_PYTHON", sys.executable)
MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where a board has what need not last: it is not counted as written."""
MOST: Final = 60.0
"""Megabytes of resident memory that are asked for."""
SIZES: Final = ((640, 480), (1640, 1232))
SETTLE: Final = 5.0
WINDOW: Final = 60.0
"""Seconds; as long as between two pictures of a room in which nothing moves."""


def run(full: bool = False) -> None:
    asyncio.run(_all(5 * WINDOW if full else WINDOW))


async def _all(window: float) -> None:
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        async with asyncio.TaskGroup() as tasks:
            for size in SIZES:
                for moving in (False, True):
                    folder = Path(place) / f"{size[0]}-{moving}"
                    tasks.create_task(_case(folder, size, moving, window))


async def _case(folder: Path, size: tuple[int, int], moving: bool, window: float) -> None:
    _pictures(folder / "pictures", size, 2 if moving else 1)
    async with small_hub(folder) as hub, _node(folder, hub) as process:
        await hub.until(hub.frames, 60)
        await asyncio.sleep(SETTLE)
        neighbours, kept = Neighbours(), len(hub.frames())
        before, wrote = process.cpu_times(), process.io_counters().write_bytes
        await asyncio.sleep(window)
        after, memory = process.cpu_times(), process.memory_full_info()
        written = process.io_counters().write_bytes - wrote
        spent = after.user + after.system - before.user - before.system
        pictures = len(hub.frames()) - kept
    resident = memory.rss / 1e6
    report(
        "node_process",
        picture=f"{size[0]}x{size[1]}",
        bytes=sum(len(frame) for frame in hub.frames()) // len(hub.frames()),
        moves=moving,
        resident_mb=round(resident, 1),
        target=MOST,
        reached=resident <= MOST,
        of_its_own_mb=round(memory.uss / 1e6, 1),
        share_of_a_core=round(spent / window, 4),
        pictures_an_hour=round(pictures * 3600 / window),
        written_mb_an_hour=round(written * 3600 / window / 1e6, 1),
        others=round(neighbours.share, 2),
    )


def _pictures(folder: Path, size: tuple[int, int], count: int) -> None:
    """Rooms that have nothing in common: blocks of grey with a sensor's noise."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(1)
    for number in range(count):
        blocks = chance.integers(40, 216, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(blocks, size, interpolation=cv2.INTER_CUBIC) + chance.normal(0, 3, (*size[::-1], 3))
        out = io.BytesIO()
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
        (folder / f"{number}.jpg").write_bytes(out.getvalue())


@asynccontextmanager
async def _node(folder: Path, hub: SmallHub) -> AsyncIterator[psutil.Process]:
    """Paired and running."""
    settings = folder / "node.yaml"
    camera = {"platform": "folder", "path": str(folder / "pictures")}
    settings.write_text(json.dumps({"camera": camera, "data": str(folder / "data")}))
    with tempfile.TemporaryDirectory(dir=MEMORY) as runtime:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RUNTIME_DIRECTORY": runtime}
        pairing = await _start("pair", settings, environment)
        await pairing.communicate(hub.invitation().uri().encode())
        node = await _start("run", settings, environment)
        try:
            yield psutil.Process(node.pid)
        finally:
            node.kill()
            await node.communicate()


async def _start(word: str, settings: Path, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "node.cli", word, "-c", str(settings)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
