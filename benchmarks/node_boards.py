"""`fras-node` as a process of its own, paired with a hub that answers, its camera a folder of pictures."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped]
from PIL import Image

from tests.support.small_hub import SmallHub

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = os.environ.get("FRAS_NODE_PYTHON", sys.executable)
"""What runs the nodes."""
MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where a board has what need not last: it is not counted as written."""
MODULE: Final = ("node.cli",)


class Board:
    """`rooms` pictures in its folder, of `size`; each look takes the next."""

    def __init__(self, folder: Path, size: tuple[int, int], rooms: int, module: Sequence[str] = MODULE) -> None:
        self.pictures = folder / "pictures"
        self.data = folder / "data"
        self._settings = folder / "node.yaml"
        self._module = module
        self.pictures.mkdir(parents=True)
        camera = {"platform": "folder", "path": str(self.pictures)}
        self._settings.write_text(json.dumps({"camera": camera, "data": str(self.data)}))
        chance = np.random.default_rng(1)
        for number in range(rooms):
            self.shows(f"{number}.jpg", room(size, chance))

    def shows(self, name: str, picture: Any) -> None:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=85)
        fresh = self.pictures / f"{name}.new"
        fresh.write_bytes(out.getvalue())
        fresh.replace(self.pictures / name)

    async def pairs(self, hub: SmallHub) -> None:
        with tempfile.TemporaryDirectory(dir=MEMORY) as runtime:
            pairing = await self._start("pair", runtime)
            await pairing.communicate(hub.invitation().uri().encode())

    @asynccontextmanager
    async def runs(self, runtime: Path | None = None) -> AsyncIterator[psutil.Process]:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            node = await self._start("run", str(runtime or folder))
            try:
                yield psutil.Process(node.pid)
            finally:
                node.kill()
                await node.communicate()

    async def _start(self, word: str, runtime: str) -> asyncio.subprocess.Process:
        # Installed packages are compiled; what Python compiles by itself takes eight megabytes.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        return await asyncio.create_subprocess_exec(
            *(PYTHON, "-m", *self._module, word, "-c", str(self._settings)),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, "PYTHONPATH": str(ROOT), "RUNTIME_DIRECTORY": runtime},
        )


def room(size: tuple[int, int], chance: np.random.Generator) -> Any:
    """Blocks of grey with a sensor's noise; two have nothing in common."""
    blocks = chance.integers(40, 216, (12, 16, 3), dtype=np.uint8)
    picture = cv2.resize(blocks, size, interpolation=cv2.INTER_CUBIC) + chance.normal(0, 3, (*size[::-1], 3))
    return picture.clip(0, 255).astype(np.uint8)


async def compiled() -> None:
    """As a package leaves the node's modules when it is installed."""
    process = await asyncio.create_subprocess_exec(PYTHON, "-m", "compileall", "-q", str(ROOT / "node"))
    await process.wait()
