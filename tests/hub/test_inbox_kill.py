"""A hub killed at any moment loses nothing it acknowledged, and has nothing twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

from sqlalchemy import text

from hub.db import ledger
from hub.inbox import Conclusion, Outcome
from tests.support.facts import inbox_in, url_of

HUB = """
import asyncio, sys
from pathlib import Path
from hub.inbox import Conclusion, Outcome
from tests.support.facts import frame, inbox_in

async def main(folder, first):
    async with inbox_in(Path(folder)) as (database, inbox):
        print("ready", flush=True)

        async def camera(name):
            seq = first
            while True:
                result = await inbox.accept(name, frame(seq))
                print("accepted", name, seq, result.frame_id, flush=True)
                if not result.duplicate and seq % 3 == 0:
                    await inbox.conclude([Conclusion(result.frame_id, Outcome.EMPTY)])
                seq += 1

        await asyncio.gather(*(camera(name) for name in "abcdefgh"))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def run_and_kill(folder: Path, first: int, seconds: float) -> list[tuple[str, int, str]]:
    """Lets a hub accept frames for so long, kills it, and returns what it had acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", HUB, folder, str(first)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as hub:
        assert hub.stdout is not None
        assert hub.stdout.readline() == "ready\n"
        killer = threading.Timer(seconds, hub.kill)
        killer.start()
        lines = hub.stdout.read().split("\n")[:-1]
        killer.join()
    words = [line.split() for line in lines]
    return [(camera, int(seq), frame_id) for _, camera, seq, frame_id in words]


async def test_sigkill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged: dict[tuple[str, int], str] = {}
    url_of(tmp_path)  # is one database for all who are killed
    dice = random.Random(20261123)
    for start in (0, 0, 200):
        for camera, seq, frame_id in run_and_kill(tmp_path, start, dice.uniform(0.05, 0.5)):
            assert acknowledged.setdefault((camera, seq), frame_id) == frame_id
    assert len(acknowledged) > 50
    async with inbox_in(tmp_path) as (database, inbox):
        async with database.read() as connection:
            rows = (await connection.execute(text("SELECT camera, seq, id, outcome FROM frames"))).all()
            ids = {(row.camera, row.seq): str(row.id) for row in rows}
            assert len(ids) == len(rows)
            assert {key: ids[key].replace("-", "") for key in acknowledged} == {
                key: value.replace("-", "") for key, value in acknowledged.items()
            }
            assert {row.outcome for row in rows} == {"pending", "empty"}
            waiting = await ledger.pending(connection)
        assert {file.name for file in (tmp_path / "inbox").iterdir()} == {frame.id for frame in waiting}
        for frame in waiting:
            assert await inbox.read(frame.id) == f"image 1 {frame.seq}".encode()
        done = await inbox.conclude([Conclusion(frame.id, Outcome.EMPTY) for frame in await inbox.arrived()])
        assert done == {frame.id for frame in waiting}
