"""Counting: marks of a lecture, people of a day, days of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.attendance.records import Status


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are of each status."""

    present: int = 0
    late: int = 0
    left_early: int = 0
    absent: int = 0
    excused: int = 0
    not_observed: int = 0
    open: int = 0

    @classmethod
    def of(cls, counts: Mapping[Status, int]) -> Tally:
        return cls(**{status.name.lower(): count for status, count in counts.items()})

    def __add__(self, other: Tally) -> Tally:
        return Tally.of({status: self[status] + other[status] for status in Status})

    def __getitem__(self, status: Status) -> int:
        return int(getattr(self, status.name.lower()))

    @property
    def came(self) -> int:
        return self.present + self.late + self.left_early

    @property
    def silent(self) -> bool:
        """There are marks, and in none of them could a camera say anything."""
        return 0 < self.total == self.not_observed

    @property
    def total(self) -> int:
        return sum(self[status] for status in Status)


def percentage(present: int, absent: int) -> float | None:
    """present / (present + absent), 0 to 100; None when neither has happened yet."""
    return 100 * present / (present + absent) if present + absent else None
