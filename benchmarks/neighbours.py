"""What else the machine is doing: a busy neighbour slows a program of two threads more than one of a single thread."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

QUIET = 0.1
"""The share of all cores that others may use in a quiet moment."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of all cores since the machine started: in all, at work, and at work for this process."""

    total: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> Usage:
        machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
        total = sum(machine) - getattr(machine, "guest", 0) - getattr(machine, "guest_nice", 0)
        busy = total - machine.idle - getattr(machine, "iowait", 0)
        return cls(total, busy, own.user + own.system + own.children_user + own.children_system)

    def others(self, later: Usage) -> float:
        """The share of all cores that other processes used until `later`, 0 to 1."""
        used = (later.busy - self.busy) - (later.own - self.own)
        return min(max(used / max(later.total - self.total, 1e-9), 0.0), 1.0)


class Neighbours:
    """Waits for quiet moments, within a patience shared by all of a bench's waits."""

    def __init__(self, patience: float = 10.0) -> None:
        """`patience`: seconds spent waiting in all, at most."""
        self._patience = patience
        self._start = Usage.now()

    @property
    def share(self) -> float:
        """The share of all cores that others have used since this was made."""
        return self._start.others(Usage.now())

    def wait(self) -> None:
        """Returns once others leave the cores alone, or patience is spent."""
        while self._patience > 0:
            before = Usage.now()
            time.sleep(0.3)
            self._patience -= 0.3
            if before.others(Usage.now()) <= QUIET:
                return
