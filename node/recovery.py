"""What is left of a spool after a power cut, or on a dying card, as one log without holes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.entries import DAMAGED, UNWRITTEN, Entry, dropped, entry_of
from node.segments import Damage, Kind, Segment

_NAME: Final = re.compile(r"([0-9a-f]{12})-[a-z]+\.seg")
MARKS: Final = "marks"
"""The files of what are no pictures."""


@dataclass(frozen=True, slots=True)
class Found:
    """`entries` in order of their numbers; `losses` of them are new: they say what should be there and is not.

    `torn` are the files whose last bytes are no record, and how many bytes are before them.
    """

    segments: list[Segment]
    entries: list[Entry]
    losses: list[Entry]
    torn: list[tuple[Segment, int]]


@dataclass(frozen=True, slots=True)
class _Damaged:
    """A place of a file, by the numbers before and (unless it was the end) behind it."""

    after: int
    before: int | None
    pictures: int


def name(serial: int, stream: str) -> str:
    """Of a segment's file: the order of names is the order in which the files were begun."""
    return f"{serial:012x}-{stream}.seg"


def serial(path: Path) -> int:
    return int(path.name.partition("-")[0], 16)


def recover(folder: Path, settled: int, reserved: int) -> Found:
    """Reads all files of the spool. Numbers up to `settled` are the hub's, up to `reserved` may have been given.

    Raises OSError when the folder cannot be read; a file that cannot be read is damaged.
    """
    segments = [Segment(path) for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)]
    log: dict[int, Entry] = {}
    damages: list[_Damaged] = []
    torn: list[tuple[Segment, int]] = []
    for segment in segments:
        for entry in _read(segment, damages, torn):
            if entry.kind is Kind.DROPPED:
                for number in range(entry.number, entry.last + 1):
                    if (old := log.get(number)) and number == old.number:
                        old.released()
                        del log[number]
            elif (old := log.get(entry.number)) is not None:
                old.released()
            log[entry.number] = entry
    entries = _without_what_is_covered(sorted(log.values(), key=lambda entry: (entry.number, -entry.last)))
    losses = list(_holes(entries, damages, settled, reserved))
    return Found(segments, sorted(entries + losses, key=lambda entry: entry.number), losses, torn)


def _read(segment: Segment, damages: list[_Damaged], torn: list[tuple[Segment, int]]) -> Iterator[Entry]:
    """The entries of a file. What is damaged can only be guessed: one picture, if the file has pictures."""
    before, end, damaged, pictures = 0, 0, False, int(not segment.path.stem.endswith(MARKS))
    try:
        for found in segment.records():
            if isinstance(found, Damage):
                damaged = True
                continue
            if damaged:
                damages.append(_Damaged(before, found.number, pictures))
            before, end, damaged = found.number, found.offset + found.length, False
            yield entry_of(found, segment)
        if damaged:
            torn.append((segment, end))
    except OSError:
        damaged = True
    if damaged:
        damages.append(_Damaged(before, None, pictures))


def _without_what_is_covered(entries: list[Entry]) -> list[Entry]:
    """A `dropped` stands for all its numbers, also where a frame of them is still on disk."""
    kept: list[Entry] = []
    for entry in entries:
        if kept and entry.number <= kept[-1].last:
            entry.released()
        else:
            kept.append(entry)
    return kept


def _holes(entries: list[Entry], damages: list[_Damaged], settled: int, reserved: int) -> Iterator[Entry]:
    """Numbers that nothing on disk accounts for."""
    here = settled + 1
    pending = sorted(damages, key=lambda damage: damage.after)
    for first, last in [*((entry.number, entry.last) for entry in entries), (max(reserved, settled) + 1, reserved + 1)]:
        if here < first:
            inside = [d for d in pending if d.after < first and (d.before is None or d.before > here)]
            pending = [d for d in pending if d not in inside]
            reason = DAMAGED if inside else UNWRITTEN
            yield dropped(here, first - 1, reason, sum(damage.pictures for damage in inside))
        here = max(here, last + 1)
