"""The facts attendance is computed from, and its conclusions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Observation:
    """A face that the policy called `person` in one frame; `captured_at` is UTC, corrected for skew.

    `alone` says that the score passed the stricter single-frame threshold; `crop` is the evidence's storage key.
    """

    captured_at: datetime
    camera: str
    person: str
    id: str
    score: float
    alone: bool
    crop: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """One person at one camera over a short span; derived from observations, rebuildable.

    `confirmed` when one observation sufficed alone or enough frames agreed. `crop` is the best observation's.
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
    """Confirmed sightings that make somebody present."""
    early: timedelta = timedelta(minutes=10)
    """A sighting this long before the start counts."""
    gap: timedelta = timedelta(minutes=1)
    """Signals of a camera no further apart than this cover the time between them."""
    enough_coverage: float = 0.8
    """Share of the lecture a room's cameras must have watched before absence may be said."""
    patience: timedelta = timedelta(hours=1)
    """How long after the end to wait for the watermark of a silent camera."""
    sighting_gap: timedelta = timedelta(minutes=2)
    """Observations no further apart than this belong to one sighting."""
    frames_to_confirm: int = 2
    """Frames that must agree where none sufficed alone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The conclusion for (person, lecture), with a copy of its evidence's summary.

    `minutes`: how late, for late; None otherwise. `why` is a sentence for staff. `coverage` is 0..1.
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
