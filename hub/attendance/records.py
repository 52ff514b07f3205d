"""The facts attendance is computed from, and its conclusions."""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RULE_VERSION = "3"
"""Raised when the same facts and the same `Rules` would give other marks."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A face that the policy called `person` in one frame; `captured_at` is UTC, corrected for skew.

    `alone` says that the score passed the stricter single-frame threshold; `crop` is the evidence's storage key.
    An unknown face is no observation of anybody: raises ValueError for an empty person, a time that is not
    aware and UTC, or a score that is not finite.
    """

    captured_at: datetime
    camera: str
    person: str
    id: str
    score: float
    alone: bool
    crop: str | None = None

    def __post_init__(self) -> None:
        if not self.person:
            raise ValueError(f"observation {self.id} is of nobody")
        if self.captured_at.utcoffset() != timedelta(0):
            raise ValueError(f"observation {self.id}: {self.captured_at!r} is not an aware UTC datetime")
        if not math.isfinite(self.score):
            raise ValueError(f"observation {self.id}: the score {self.score} is not a number")


@dataclass(frozen=True, slots=True)
class Sighting:
    """One person at one camera over a short span; derived from observations, rebuildable.

    `count` is of observations; `confirmed` when one of them sufficed alone or enough frames agreed. `crop` is
    that of the best observation that has one; `best_score` has two decimals.
    """

    first: datetime
    last: datetime
    camera: str
    person: str
    count: int
    best_score: float
    confirmed: bool
    crop: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time [start, end), UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, order=True)
class Lecture:
    """One lecture on one day. `id` is derived from what it is, so that recomputing finds it again.

    `date` is the school's local date (ISO); `start` and `end` are UTC.
    """

    start: datetime
    end: datetime
    id: str
    date: str
    name: str
    class_name: str
    room: str


class Status(StrEnum):
    PRESENT = "present"
    LATE = "late"
    LEFT_EARLY = "left early"
    ABSENT = "absent"
    EXCUSED = "excused"
    NOT_OBSERVED = "not observed"
    OPEN = "open"
    """Not a conclusion: the lecture is still running, or a camera may still deliver."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How facts become marks; `hub.yaml`'s `attendance:` section."""

    late_after: timedelta = timedelta(minutes=10)
    present_after: int = 1
    """Confirmed sightings that make somebody present; one that lasts counts again for each `sighting_gap`."""
    early: timedelta = timedelta(minutes=10)
    """A sighting this long before the start counts."""
    gap: timedelta = timedelta(minutes=1)
    """Signals of a camera no further apart than this cover the time between them."""
    enough_coverage: float = 0.8
    """Share of the lecture a room's cameras must have watched before absence may be said; and of the time in which
    one is in time, before lateness may."""
    patience: timedelta = timedelta(hours=1)
    """How long after the end to wait for the watermark of a silent camera."""
    sighting_gap: timedelta = timedelta(minutes=2)
    """Observations no further apart than this belong to one sighting."""
    frames_to_confirm: int = 2
    """Frames that must agree where none sufficed alone."""

    @property
    def version(self) -> str:
        """Names the rules and these settings of them, for a mark to carry."""
        return f"{RULE_VERSION}-{hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Mark:
    """The conclusion for (person, lecture), with a copy of its evidence's summary.

    `minutes`: how late, for late; None otherwise. `why` is a sentence for staff. `sightings` counts the
    confirmed ones; `first`, `last`, `best_score`, `cameras` and `crop` are theirs or, where there are none,
    the uncertain ones'. `coverage` is the share of the lecture that its room's cameras watched, 0..1.
    """

    person: str
    lecture: str
    status: Status
    minutes: int | None
    why: str
    first: datetime | None
    last: datetime | None
    sightings: int
    best_score: float | None
    cameras: tuple[str, ...]
    coverage: float
    crop: str | None
    rule_version: str
