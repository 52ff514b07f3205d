"""What a node writes in an hour: the process itself, with clocks that run sixty times as fast (`quick_node`).

Counted in three places: the bytes handed to the kernel, by file; what the kernel counts for the process, in whole
pages; and, where a file system may be mounted (as root), what reaches a card of its own with ext4, journal included.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from tests.support.small_hub import small_hub

from .measure import report
from .neighbours import Neighbours
from .node_boards import MEMORY, Board

SPEED: Final = 60
HOUR: Final = 3600.0
SETTLE: Final = 300.0
"""Seconds of the node's time until movement, pairing and start-up are over."""
PING: Final = 20.0
CARD: Final = "256M"
SECTOR: Final = 512


@dataclass(frozen=True)
class Card:
    """`folder` is on it. `device` is empty where nothing could be mounted: then it is any folder."""

    folder: Path
    device: str = ""

    def written(self) -> int | None:
        if not self.device:
            return None
        subprocess.run(["sync", "-f", str(self.folder)], check=True)
        return SECTOR * int(Path("/sys/block", self.device, "stat").read_text().split()[6])


@dataclass(frozen=True)
class Written:
    """Bytes since the node started; `files` as it handed them over, `pages` and `card` as they arrived."""

    files: dict[str, int]
    pages: int
    card: int | None

    @classmethod
    def now(cls, tally: Path, process: psutil.Process, card: Card) -> Written:
        return cls(json.loads(tally.read_text()), process.io_counters().write_bytes, card.written())

    def until(self, later: Written) -> dict[str, object]:
        files = {name: size - self.files.get(name, 0) for name, size in later.files.items() if name != "status.json"}
        return {
            "handed_over": {name: size for name, size in sorted(files.items()) if size},
            "in_pages": later.pages - self.pages,
            "on_the_card": None if later.card is None or self.card is None else later.card - self.card,
        }


async def hour(size: tuple[int, int], away: bool) -> None:
    """Nothing moves; with `away`, the hub does not answer either."""
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place, _card(Path(place)) as card:
        board = Board(card.folder / "board", size, 1, ("benchmarks.quick_node", str(SPEED)))
        async with small_hub(Path(place), ping_every=PING / SPEED) as hub:
            await board.pairs(hub)
            with tempfile.TemporaryDirectory(dir=MEMORY) as runtime:
                async with board.runs(Path(runtime)) as process:
                    await hub.until(hub.frames, 60)
                    if away:
                        await hub.kill()
                    await asyncio.sleep(SETTLE / SPEED)
                    neighbours, frames = Neighbours(), len(hub.frames())
                    start = Written.now(Path(runtime, "written.json"), process, card)
                    await asyncio.sleep(HOUR / SPEED)
                    written = start.until(Written.now(Path(runtime, "written.json"), process, card))
                    report(
                        "node_process",
                        hour="the hub is away" if away else "nothing moves",
                        picture=f"{size[0]}x{size[1]}",
                        bytes=len(hub.frames()[0]),
                        acknowledged=len(hub.frames()) - frames,
                        **written,
                        others=round(neighbours.share, 2),
                    )


@contextmanager
def _card(place: Path) -> Iterator[Card]:
    image, folder = place / "card.img", place / "card"
    folder.mkdir()
    try:
        _does("truncate", "-s", CARD, image)
        _does("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        _does("mount", "-o", "loop", image, folder)
    except (OSError, subprocess.CalledProcessError):
        yield Card(folder)
        return
    try:
        yield Card(folder, Path(_does("findmnt", "-no", "SOURCE", folder).strip()).name)
    finally:
        _does("umount", folder)


def _does(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
