"""Which videos have been handed on to their end, kept across restarts.

The ledger knows frames, not videos: without this, every restart would decode every old recording again to find
that nothing in it is new. With it, a recording whose first and last frame the ledger holds is left closed; the
ledger has the last word, so that one restored from a backup gets what it lacks.
"""

from __future__ import annotations

from pathlib import Path

_WIDTH = 34
"""Bytes of a record: two numbers of 16 hexadecimal digits, a space and a line feed."""


class Finished:
    """An append-only file of (key of the video, number of its last frame). Losing it costs time, never a frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[int, int] = {}

    def last(self, key: int) -> int | None:
        """The number of the last frame of the video, if it was handed on to its end."""
        return self._last.get(key)

    def load(self) -> None:
        """Reads what earlier runs recorded. Raises OSError; torn records are forgotten."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                key, last = (int(number, 16) for number in line.split())
            except ValueError:
                continue
            if len(line) == _WIDTH - 1:
                self._last[key] = last

    def add(self, key: int, last: int) -> None:
        """Raises OSError when it cannot be written down."""
        if self._last.get(key) == last:
            return
        with self._path.open("ab") as file:
            torn = file.tell() % _WIDTH
            file.write(b"\n" * (torn and _WIDTH - torn) + f"{key:016x} {last:016x}\n".encode())
        self._last[key] = last
