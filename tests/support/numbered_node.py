"""`fras-node` with the tests' camera: every picture is kept, and its size says which it is.

`python -m tests.support.numbered_node`. Of all lives of the board together, the size of the file $TAKEN is how many
pictures were taken, and each of the spool's is in $KEPT, in a line of its own, once the spool has said that it has it.
No pause before a connection is longer than $LONGEST seconds. With $TEAR it stops in the middle of a write, after so
many records of this life, and makes the file $TORN.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Final, TypeAlias

import node.agent
import node.cli
import node.log
import node.pauses
import node.settings
from node.wire import Moment
from tests.support import told_node
from tests.support.tearing import tear

Frame: TypeAlias = "Callable[[node.log.Log, Moment, bytes, bool], Awaitable[None]]"
SMALLEST: Final = int(os.environ.get("SMALLEST", "3000"))
"""Bytes; picture n has n more, so that n is in the ledger, which knows sizes."""


async def numbered(look: told_node.ToldLook, quality: int) -> bytes:
    with Path(os.environ["TAKEN"]).open("ab") as taken:
        taken.write(b".")
        number = taken.tell()
    return b"\xff\xd8\xff" + os.urandom(SMALLEST + number - 3)


def kept(frame: Frame) -> Frame:
    """`frame`, and a line for what it has made durable."""

    async def noted(self: node.log.Log, at: Moment, jpeg: bytes, moved: bool) -> None:
        await frame(self, at, jpeg, moved)
        with Path(os.environ["KEPT"]).open("ab") as file:
            file.write(b"%d\n" % (len(jpeg) - SMALLEST))

    return noted


if __name__ == "__main__":
    told_node.ToldLook.jpeg = numbered  # type: ignore[method-assign]
    node.log.Log.frame = kept(node.log.Log.frame)  # type: ignore[method-assign]
    if after := os.environ.get("TEAR"):
        tear(int(after), 0.4, Path(os.environ["TORN"]).touch)
    node.pauses.LONGEST = float(os.environ.get("LONGEST", node.pauses.LONGEST))  # type: ignore[misc]
    node.agent.make_gate = told_node.make_gate
    cameras = SimpleNamespace(CONFIG_SCHEMA={}, open_camera=told_node.open_camera)
    node.settings._camera = lambda platform: cameras  # type: ignore[assignment,return-value]
    sys.exit(node.cli.main())
