"""Power that goes in the middle of a write to a node's card, which leaves a part of a record."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import node.files
import node.segments
from node.segments import Damage, Segment


def tear(after: int, share: float, told: Callable[[], None]) -> None:
    """Has this process write `share` of a record, after so many whole ones, call `told`, and wait to be killed."""
    write, left = node.files.write, after

    def tearing(handle: int, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            write(handle, data)
            return
        write(handle, data[: min(max(1, round(share * len(data))), len(data) - 1)])
        os.fsync(handle)
        told()
        threading.Event().wait()

    node.segments.write = tearing  # type: ignore[attr-defined]


def torn(spool: Path) -> list[Path]:
    """Its files with bytes that are no record."""
    return [file for file in spool.glob("*.seg") if any(isinstance(r, Damage) for r in Segment(file).records())]
