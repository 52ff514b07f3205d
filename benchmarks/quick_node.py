"""`fras-node` whose clocks run faster, and that counts what it writes: `python -m benchmarks.quick_node SPEED run …`.

The wall clock, the monotonic one and that of the event loop run SPEED times as fast as the machine's; nothing else
differs. The bytes handed to the kernel are in the runtime folder's written.json, by file.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import selectors
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import node.agent
import node.link
from node.cli import main
from node.clock import BoardClock
from node.wire import Moment

SPEED: Final = float(sys.argv[1])
START: Final = time.monotonic()
TALLY: Final = Path(os.environ["RUNTIME_DIRECTORY"], "written.json")


class QuickSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout is None else timeout / SPEED)


class QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__(QuickSelector())

    def time(self) -> float:
        return START + (time.monotonic() - START) * SPEED


class QuickClock(BoardClock):
    def now(self) -> Moment:
        now, more = super().now(), int((time.monotonic() - START) * (SPEED - 1) * 1e6)
        return replace(now, wall=now.wall + more, mono=now.mono + more)


class QuickPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return QuickLoop()


def counted(write: Callable[..., int], written: Counter[str]) -> Callable[..., int]:
    def counting(handle: int, data: bytes, *where: int) -> int:
        size = write(handle, data, *where)
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        written[re.sub(r"^([0-9a-f]{12}-|\.)|\.(seg|new)$", "", name)] += size
        TALLY.write_text(json.dumps(written))
        return size

    return counting


if __name__ == "__main__":
    written: Counter[str] = Counter()
    os.write, os.pwrite = counted(os.write, written), counted(os.pwrite, written)
    node.agent.BoardClock = QuickClock  # type: ignore[attr-defined]
    node.link.LOST = sys.maxsize  # type: ignore[misc]  # clocks of other processes are not quick
    asyncio.set_event_loop_policy(QuickPolicy())
    sys.exit(main(sys.argv[2:]))
