"""The spool on a real file system: processes killed in the middle of a write, and cards without room."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from node.entries import DAMAGED, FULL, STILL
from node.recovery import MARKS
from node.segments import Kind
from node.spool import Spool
from node.wire import Moment
from tests.support.cards import small_card
from tests.support.tearing import torn

ROOT = Path(__file__).parents[2]
ROUNDS = 12

WRITER = """
import os, random, sys, zlib
from pathlib import Path
from node.spool import Spool
from node.wire import Moment
from tests.support.tearing import tear

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

chance = random.Random(int(sys.argv[2]))
spool = Spool(Path(sys.argv[1]), 3_000_000)
if sys.argv[3:]:
    tear(int(sys.argv[3]), float(sys.argv[4]), lambda: say("torn"))
out, mono = [], 1
while True:
    mono += 20_000_000
    act = chance.random()
    if act < 0.5:
        jpeg = chance.randbytes(chance.randrange(1000, 60_000))
        say("begin", zlib.crc32(jpeg))
        spool.frame(Moment(mono, mono, 1), jpeg, moved=chance.random() < 0.5)
        say("kept", spool.last, zlib.crc32(jpeg))
    elif act < 0.65:
        spool.watched(Moment(mono, mono, 1))
    elif act < 0.7:
        spool.commit()
    elif act < 0.9:
        if (entry := spool.take(10**9)) is not None:
            out.append(entry)
    elif out:
        entry = out.pop(chance.randrange(len(out)))
        say("settled", entry.number, entry.last)
        spool.settle(entry.number, entry.last)
"""


def test_killed_at_any_moment_it_has_all_that_was_kept(tmp_path: Path) -> None:
    """Every frame that `frame` returned for, and that was not acknowledged, is there, or gave way in a full spool.

    Each other time it is killed with a part of a record written.
    """
    folder = tmp_path / "spool"
    kept: dict[int, int] = {}
    begun: set[int] = set()
    settled: set[int] = set()
    half_written = 0
    chance = random.Random(4)
    for round_ in range(ROUNDS):
        tear = [str(chance.randrange(60)), str(chance.random())] if round_ % 2 else []
        command = [sys.executable, "-c", WRITER, str(folder), str(round_), *tear]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as writer:
            assert writer.stdout is not None
            if tear:
                said = list(itertools.takewhile(lambda line: line != b"torn\n", writer.stdout))
            else:
                said = [writer.stdout.readline() for _ in range(chance.randrange(5, 120))]
            writer.kill()
            said += writer.stdout.readlines()
        assert len(torn(folder)) == 1 or not tear
        half_written += sum(MARKS not in file.stem for file in torn(folder))
        highest = max(kept, default=0)
        for line in said:
            word, *numbers = line.split()
            if word == b"begin":
                begun.add(int(numbers[0]))
            elif word == b"kept":
                assert int(numbers[0]) > highest, "a number was given twice"
                kept[int(numbers[0])] = int(numbers[1])
            elif word == b"settled":
                settled |= set(range(int(numbers[0]), int(numbers[1]) + 1))
    spool = Spool(folder, 3_000_000)
    log = list(iter(lambda: spool.take(10**9), None))
    present = {entry.number: zlib.crc32(entry.jpeg) for entry in log if entry.kind is Kind.FRAME}
    gave_way = [entry for entry in log if entry.kind is Kind.DROPPED and entry.reason in (FULL, STILL)]
    dropped = {number for entry in gave_way for number in range(entry.number, entry.last + 1)}
    missing = set(kept) - set(present) - settled - dropped
    assert not missing
    assert all(kept.get(number, checksum) == checksum for number, checksum in present.items())
    assert set(present.values()) <= begun
    lost = [entry for entry in log if entry.kind is Kind.DROPPED and entry.count]
    assert {entry.reason for entry in lost} <= {FULL, STILL, DAMAGED}
    assert spool.report().dropped[DAMAGED] == half_written > 0
    spool.close()
    assert len(kept) > 50
    assert settled & set(kept)


@pytest.fixture(name="small_card")
def card(tmp_path: Path) -> Iterator[Path]:
    with small_card(tmp_path / "card") as folder:
        yield folder


def fill(file: Path) -> None:
    """Takes all the room there is."""
    with file.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 4096)


def at(number: int) -> Moment:
    return Moment(number, 1 + number * 1000, 3)


def test_a_full_card_costs_what_matters_least(small_card: Path) -> None:
    """The spool may be larger than the card: then the card's end is its limit."""
    spool = Spool(small_card / "spool", 50_000_000)
    for number in range(1, 61):
        spool.frame(at(number), bytes([number]) * 50_000, moved=number % 5 == 0)
    report = spool.report()
    assert set(report.dropped) == {STILL}
    assert report.frames + report.dropped[STILL] == 60
    spool.close()
    again = Spool(small_card / "spool", 50_000_000)
    frames = {e.number: e.jpeg for e in iter(lambda: again.take(10**9), None) if e.kind is Kind.FRAME}
    assert set(range(5, 61, 5)) <= set(frames)
    assert all(jpeg == bytes([number]) * 50_000 for number, jpeg in frames.items())
    again.close()


def test_a_card_filled_by_others_is_survived_and_reported(small_card: Path) -> None:
    spool = Spool(small_card / "spool", 50_000_000)
    spool.frame(at(1), b"1" * 50_000, moved=True)
    first = spool.take(10**9)
    assert first is not None
    spool.settle(1, 1)
    hog = small_card / "hog"
    fill(hog)
    spool.commit()
    fill(hog)
    for number in range(2, 6):
        spool.frame(at(number), bytes([number]) * 50_000, moved=True)
    assert "No space left" in spool.report().problem
    assert spool.report().frames == 4, "in memory"
    hog.unlink()
    spool.commit()
    assert spool.report().problem == ""
    again = Spool(small_card / "spool", 50_000_000)  # nobody closed the first
    assert [e.jpeg for e in iter(lambda: again.take(10**9), None) if e.kind is Kind.FRAME] == [
        bytes([number]) * 50_000 for number in range(2, 6)
    ]
    again.close()


def test_a_card_that_takes_nothing_keeps_pictures_in_memory_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", 50_000_000)

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("node.spool.Segment.create", refuse)
    for number in range(1, 31):
        spool.frame(at(number), bytes([number]) * 400_000, moved=True)
    assert "Read-only" in spool.report().problem
    held = [e.number for e in iter(lambda: spool.take(10**9), None) if e.kind is Kind.FRAME]
    assert held == list(range(11, 31))
    assert spool.report().dropped == {FULL: 10}


def test_what_an_hour_writes(tmp_path: Path) -> None:
    """In the terms of docs/nodes.md: payload and headers; syncs are one a picture."""
    with TemporaryDirectory(dir=tmp_path) as folder:
        spool = Spool(Path(folder) / "spool", 500_000_000)
        for second in range(0, 3600, 15):
            moment = Moment(second * 1_000_000, 1 + second * 1_000_000, 1)
            if second % 60 == 0:
                spool.frame(moment, bytes(1000), moved=False)
            spool.watched(moment)
            while (entry := spool.take(10**9)) is not None:
                spool.settle(entry.number, entry.last)
            if second % 60 == 45:
                spool.commit()
        assert spool.report().written == 60 * 1000, "where the hub answers, marks are not written"
        spool.close()
