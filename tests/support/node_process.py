"""`fras-node` on a board of the tests', in processes of its own. Runs without the hub's packages, too."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from node.entries import DAMAGED
from node.segments import Kind
from node.spool import Spool
from tests.support.numbered_node import SMALLEST

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
STOPS_WITHIN = 10.0


@dataclass(frozen=True)
class Card:
    """What a node has still to tell: its frames by number, and how many it ever gave up, by reason."""

    frames: Mapping[int, bytes]
    dropped: Mapping[str, int]


def card(spool: Path) -> Card:
    """Of a spool that nobody else has open."""
    opened = Spool(spool, 10**9)
    entries = iter(lambda: opened.take(10**9), None)
    found = Card({e.number: e.jpeg for e in entries if e.kind is Kind.FRAME}, opened.report().dropped)
    opened.close()
    return found


class Place:
    """A board: its settings and its data. Commands have `prefix` before them."""

    module = "tests.support.told_node"

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.spool = self.data / "spool"
        self.settings = folder / "node.yaml"
        self.settings.write_text(f"camera: {{platform: told}}\ndata: {self.data}\n")
        self._prefix = prefix

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "RUNTIME_DIRECTORY": str(self.data)}

    async def does(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """Runs a command to its end: exit code, standard output, standard error."""
        process = await self._start(words, self.environment, stdout=asyncio.subprocess.PIPE)
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        assert b"Traceback" not in err
        return process.returncode, out.decode(), err.decode()

    @asynccontextmanager
    async def running(self, *words: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """`fras-node run`, or what `words` are; killed at the end."""
        process = await self._start(words or ("run",), self.environment | environment)
        assert process.stderr is not None
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            said = await process.stderr.read()
            await process.wait()
            assert b"Traceback" not in said, said.decode()

    async def stops(self, node: asyncio.subprocess.Process) -> None:
        """As systemd asks it to, at once and in order."""
        node.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(node.communicate(), STOPS_WITHIN)
        assert node.returncode == 0, said.decode()

    def waiting(self) -> Mapping[int, bytes]:
        """The frames on the card of a node that does not run."""
        return card(self.spool).frames

    async def _start(
        self, words: Sequence[str], environment: Mapping[str, str], stdout: int | None = None
    ) -> asyncio.subprocess.Process:
        command = [*self._prefix, sys.executable, "-m", self.module, words[0], "-c", str(self.settings), *words[1:]]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=stdout, stderr=pipe, env=environment)


class NumberedPlace(Place):
    """Its pictures are named by their number, which their size tells; `smallest` is the size of none."""

    module = "tests.support.numbered_node"

    def __init__(self, folder: Path, prefix: Sequence[str] = (), smallest: int = SMALLEST) -> None:
        super().__init__(folder, prefix)
        self.smallest = smallest

    @property
    def environment(self) -> dict[str, str]:
        files = {name.upper(): str(self.folder / name) for name in ("taken", "kept", "torn")}
        return {**super().environment, **files, "SMALLEST": str(self.smallest)}

    def taken(self) -> int:
        file = self.folder / "taken"
        return file.stat().st_size if file.exists() else 0

    def kept(self) -> set[int]:
        """Those that the node's spool has said to have."""
        file = self.folder / "kept"
        return {int(line) for line in file.read_bytes().splitlines()} if file.exists() else set()

    def on_card(self, spool: Path | None = None) -> tuple[set[int], Counter[str]]:
        """Those that a node which does not run has still to tell, and how many it ever gave up, by reason."""
        found = card(spool or self.spool)
        return {len(jpeg) - self.smallest for jpeg in found.frames.values()}, Counter(found.dropped)

    async def takes(self, more: int) -> None:
        """Waits for so many more pictures to be taken."""
        wanted = self.taken() + more
        async with asyncio.timeout(PATIENCE):
            while self.taken() < wanted:
                await asyncio.sleep(0.02)

    def counted(
        self, known: Collection[int], given_up: int = 0, half_written: int = 0, spool: Path | None = None
    ) -> set[int]:
        """The hub has nothing twice, and all that was ever kept is `known` to it or still on the card.

        Answers what is on the card, which says that it gave up so many of those, and that it lost those of which the
        power cut off the end. `spool` is a copy, where the node runs.
        """
        kept = self.kept()
        waiting, dropped = self.on_card(spool)
        assert len(known) == len(set(known))
        assert set(known) | waiting <= set(range(1, self.taken() + 1))
        assert dropped.pop(DAMAGED, 0) == half_written
        assert dropped.total() == given_up == len(kept - set(known) - waiting)
        return waiting
