"""`fras-node` with the tests' camera: every picture is kept, and its size says which it is.

`python -m tests.support.numbered_node`. The size of the file named by $TAKEN is how many pictures were taken, in all
lives of the board.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import node.agent
import node.cli
import node.settings
from tests.support import told_node

SMALLEST: Final = 3_000
"""Bytes; picture n has n more, so that n is in the ledger, which knows sizes."""


async def numbered(look: told_node.ToldLook, quality: int) -> bytes:
    with Path(os.environ["TAKEN"]).open("ab") as taken:
        taken.write(b".")
        number = taken.tell()
    return b"\xff\xd8\xff" + os.urandom(SMALLEST + number - 3)


if __name__ == "__main__":
    told_node.ToldLook.jpeg = numbered  # type: ignore[method-assign]
    node.agent.make_gate = told_node.make_gate
    cameras = SimpleNamespace(CONFIG_SCHEMA={}, open_camera=told_node.open_camera)
    node.settings._camera = lambda platform: cameras  # type: ignore[assignment,return-value]
    sys.exit(node.cli.main())
