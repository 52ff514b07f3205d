"""A frame that ends the hub itself is found out and rejected; one that was only there is not."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hub.attempts import Attempts
from hub.pipeline.pipeline import SETTLED
from tests.support.services import done, frame, recognising, services

ROOT = Path(__file__).parents[2]
HUB = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from pathlib import Path
from hub.plugin import RecognizerSpec
from tests.support import colours
from tests.support.services import done, recognising, services

class Deadly(colours.Colours):
    async def analyse(self, pictures, *, mirror=False):
        for picture in pictures:
            if picture.pixels[8:56, 72:120].max() < 40:
                os.kill(os.getpid(), signal.SIGKILL)
        return await super().analyse(pictures, mirror=mirror)

@asynccontextmanager
async def opened(config, context):
    yield Deadly()

async def main():
    spec = RecognizerSpec(name="deadly", config_schema={}, open=opened)
    async with services(Path(sys.argv[1]), recogniser=spec) as parts, recognising(parts):
        print("ready", flush=True)
        await done(parts)

asyncio.run(main())
"""


def run(folder: Path) -> int:
    command = [sys.executable, "-c", HUB, str(folder)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ended.stdout == "ready\n"
    return ended.returncode


async def test_a_frame_that_kills_the_hub_costs_three_ends_and_no_other_frame(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        for seq in range(12):
            await parts.inbox.accept("door", frame(seq, "broken" if seq == 4 else "ada"))
    assert [run(tmp_path) for _ in range(4)] == [-signal.SIGKILL] * 3 + [0]
    async with services(tmp_path) as parts:
        outcomes = await parts.outcomes()
        reason = "the hub ended 3 times while recognising it, the last time with nothing beside it"
        assert outcomes.pop(4) == ("rejected", reason)
        assert set(outcomes.values()) == {("recognised", "")}
        assert len(await parts.seen()) == 11
    assert not (tmp_path / "inbox" / "attempts").exists()


async def test_a_frame_that_was_beside_two_ends_is_tried_alone_and_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        suspect = await parts.inbox.accept("door", frame(1, "ada"))
        for seq in range(2, 12):
            await parts.inbox.accept("door", frame(seq, "ada"))
    (tmp_path / "inbox" / "attempts").write_text(
        json.dumps({"deaths": {suspect.frame_id: 1, "gone": 7}, "trying": [suspect.frame_id, "gone"]})
    )
    tried: list[list[str]] = []
    trying = Attempts.trying

    def noted(attempts: Attempts, frames: list[str]) -> object:
        tried.append(list(frames))
        return trying(attempts, tried[-1])

    monkeypatch.setattr(Attempts, "trying", noted)
    async with services(tmp_path) as parts:
        assert parts.inbox.attempts.deaths("gone") == 0
        async with recognising(parts):
            await done(parts)
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        assert tried[-1] == [suspect.frame_id]
        assert sum(parts.clock.slept) >= SETTLED, "not at once, should somebody be killing the hub"


async def test_a_hub_that_is_stopped_counts_against_no_frame(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        for seq in range(40):
            await parts.inbox.accept("door", frame(seq, "ada"))
        noted = tmp_path / "inbox" / "attempts"
        async with recognising(parts):
            while not noted.exists():
                await asyncio.sleep(0)
    assert not (tmp_path / "inbox" / "attempts").exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"deaths": 3}', b'{"deaths": {"a": "x"}, "trying": []}', b"\xff"]
)
async def test_a_spoilt_note_costs_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "attempts").write_bytes(content)
    async with services(tmp_path) as parts, recognising(parts):
        await parts.inbox.accept("door", frame(1))
        await done(parts)


def test_without_room_recognition_goes_on(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "missing" / "attempts")
    with attempts.trying(["a"]):
        pass
    attempts.load(["a"])
    assert attempts.deaths("a") == 0
