"""The process that browses for hubs, as the node meets it: what it says, and that nothing is left of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("zeroconf", reason="there is no zeroconf")

from node import discovery

HANGS = """
import os, pathlib, time
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the one that browses."""
    monkeypatch.setattr(discovery, "__file__", str(tmp_path / "program.py"))
    return tmp_path / "program.py"


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ('print(\'[["192.0.2.7", 8124], ["fe80::1%eth0", 8125]]\')', [("192.0.2.7", 8124), ("fe80::1%eth0", 8125)]),
        ("print('[]')", []),
        ("print('[[1')", []),
        ("raise OSError", []),
    ],
)
async def test_what_it_says_is_what_was_found(program: Path, says: str, found: list[tuple[str, int]]) -> None:
    program.write_text(says)
    assert await discovery.search() == found


async def test_one_that_hangs_is_not_waited_for(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text(HANGS)
    monkeypatch.setattr(discovery, "PATIENCE", 0.1)
    assert await discovery.search() == []


async def test_one_that_cannot_start_finds_nothing(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(program))
    assert await discovery.search() == []


async def test_nothing_is_left_of_one_that_nobody_waits_for(program: Path) -> None:
    program.write_text(HANGS)
    searching = asyncio.create_task(discovery.search())
    process = await started(program)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert not process.exists()


async def started(program: Path) -> Path:
    """Its folder of /proc."""
    async with asyncio.timeout(30):
        while not (program.with_suffix(".pid").exists() and program.with_suffix(".pid").read_text()):
            await asyncio.sleep(0.02)
    return Path("/proc", program.with_suffix(".pid").read_text())
