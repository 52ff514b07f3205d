"""What the API answers with. A template, an embedding and a storage key are in none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from hub.attendance.records import Status
from hub.db.enrolments import State as EnrolmentState
from hub.db.ledger import Outcome
from hub.db.nodes import NodeState
from hub.overview.lectures import Phase
from hub.recognition.consent import Consent
from hub.runtime.health import State


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the school has registered."""

    id: Annotated[str, "The school's own."]
    name: str
    class_: str | None
    consent: Annotated[Consent, "What everything said so far amounts to; only granted is recognised."]
    images: Annotated[int, "Pictures the template rests on; 0 without a template."]


@dataclass(frozen=True, slots=True)
class Seen:
    """When and where somebody was last seen."""

    at: datetime
    camera: str


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """A person, seen when, where and how regularly."""

    id: str
    name: str
    class_: str | None
    consent: Consent
    images: int
    last_seen: Seen | None
    days_present: Annotated[int, "Days on which the person came to any lecture."]
    days_absent: Annotated[int, "Days on which the person came to none, for certain."]
    percentage: Annotated[float | None, "Of days present among days present or absent, 0 to 100."]
    seen_by: Annotated[Mapping[str, int], "Observations by camera."]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What became of a photograph somebody was to be enrolled with."""

    id: str
    person: str
    state: EnrolmentState
    reason: Annotated[str, "Why it was refused; empty for an accepted one."]
    model_id: str
    quality: Annotated[Mapping[str, Any] | None, "Of the face, as of an observation."]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the upright original image."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised."""

    size: Annotated[float, "The box's shorter side, pixels."]
    sharpness: Annotated[float, "Variance of the Laplacian."]
    yaw: Annotated[float, "Degrees."]
    pitch: Annotated[float, "Degrees."]
    roll: Annotated[float, "Degrees."]


@dataclass(frozen=True, slots=True)
class Observation:
    """A face in a frame: the fact everything else follows from."""

    id: str
    frame: str
    camera: str
    captured_at: datetime
    person: Annotated[str | None, "Null for somebody unknown."]
    score: Annotated[float | None, "Similarity to the nearest person; no probability."]
    margin: Annotated[float | None, "How far ahead of the next person."]
    threshold: Annotated[float | None, "What the score had to reach."]
    alone: Annotated[bool, "Whether it sufficed without another frame."]
    box: Box
    quality: Quality
    model_id: str
    policy_version: str
    crop: Annotated[str | None, "Where the picture of the face is, as long as it is kept."]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One person at one camera over a short span."""

    date: date
    person: str
    camera: str
    first: datetime
    last: datetime
    count: Annotated[int, "Observations."]
    best_score: float
    confirmed: Annotated[bool, "Whether one of them sufficed alone, or enough frames agreed."]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each status."""

    present: int
    late: int
    left_early: int
    absent: int
    excused: int
    not_observed: int
    open: Annotated[int, "Not decided yet."]


@dataclass(frozen=True, slots=True)
class Day:
    """A local date with marks."""

    date: date
    lectures: Annotated[int, "Lectures that have marks."]
    people: Annotated[Counts, "Each person once: who came to any lecture was present that day."]


@dataclass(frozen=True, slots=True)
class Lecture:
    """A lecture on one day, with the counts of its marks."""

    id: str
    date: date
    name: str
    class_: str
    room: str
    start: datetime
    end: Annotated[datetime | None, "Null for one that the timetable no longer has."]
    phase: Phase
    planned: Annotated[bool, "Whether the timetable has it."]
    marks: Counts


@dataclass(frozen=True, slots=True)
class DayDetails:
    """A local date with its lectures."""

    date: date
    people: Counts
    lectures: tuple[Lecture, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """The conclusion for one person in one lecture, with a copy of its evidence's summary."""

    date: date
    lecture: str
    person: str
    status: Status
    minutes: Annotated[int | None, "How late, for late."]
    why: str
    first: datetime | None
    last: datetime | None
    sightings: int
    best_score: float | None
    cameras: tuple[str, ...]
    coverage: Annotated[float, "Share of the lecture that the room's cameras watched, 0 to 1."]
    rule_version: str


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of hub.yaml, or of the past."""

    id: str
    room: str
    platform: str
    configured: bool
    state: Annotated[State | None, "Null for one that hub.yaml no longer has."]
    since: datetime | None
    last_error: str
    hint: str
    restarts: int
    last_event_at: datetime | None
    last_frame: Annotated[datetime | None, "When its last frame was captured."]
    watermark: Annotated[datetime | None, "Everything it saw until then is delivered and recognised."]
    waiting: Annotated[int, "Frames not recognised yet."]


@dataclass(frozen=True, slots=True)
class Board:
    """How a node last said it is."""

    told_now: Annotated[bool, "False for what it said before it went."]
    uptime: Annotated[float, "Seconds since its board started."]
    temperature: Annotated[float | None, "Degrees Celsius."]
    disk_free: Annotated[int | None, "Bytes."]
    memory: Annotated[int | None, "Bytes that its program takes."]
    signal_dbm: float | None
    spool_entries: Annotated[int, "What it keeps until the hub has it."]
    spool_bytes: int
    captured: Annotated[int, "Pictures since it was paired."]
    kept: int
    dropped: Annotated[Mapping[str, int], "Pictures given up, by reason."]
    throttled: Annotated[bool, "Too hot, or too little power."]
    problems: tuple[str, ...]
    incidents: Annotated[Mapping[str, int], "What else befell it since it was paired, by what it was."]


@dataclass(frozen=True, slots=True)
class Node:
    """A camera that paired with this hub."""

    id: str
    camera: str
    room: str
    state: Annotated[NodeState, "A waiting one delivers nothing until somebody confirms it."]
    connected_since: Annotated[datetime | None, "Null while it is not connected."]
    last_seen: datetime
    paired_at: datetime
    software: str
    board: str
    health: Board | None
    skew: Annotated[float | None, "Seconds by which its clock is ahead; corrected in the times of its frames."]
    refusals: Annotated[Mapping[str, int], "How often it, or somebody in its name, was refused, by reason."]
    problem: Annotated[str, "Why it does not do as it is configured; empty if it does."]
    update: Annotated[str | None, "The version to update its software to; null if that is no older than this hub."]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in the ledger, and what became of it."""

    id: str
    camera: str
    epoch: int
    seq: int
    captured_at: datetime
    received_at: datetime
    bytes: int
    outcome: Outcome
    reason: str
    faces: int
    too_small: Annotated[int, "Faces too small for the model."]


@dataclass(frozen=True, slots=True)
class Received:
    """A frame that the hub holds on disk and will recognise."""

    frame: Annotated[str, "Its id: /api/v1/frames/{frame} tells what becomes of it."]
    camera: str
    epoch: int
    seq: int
    captured_at: datetime
    captured_at_by: Annotated[str, "sender: the header Captured-At; hub: there was none, the time of arrival."]
    duplicate: Annotated[bool, "Whether the hub held it already; it counts once."]


@dataclass(frozen=True, slots=True)
class Part:
    """A plugin at work: the recogniser, the storage or a camera."""

    id: str
    state: State
    since: datetime
    last_error: str
    hint: str
    restarts: int
    last_event_at: datetime | None
    progress: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the hub is doing."""

    status: Annotated[str, "ok, or degraded while any part is down."]
    version: str
    school: str
    time_zone: str
    now: datetime
    waiting: Annotated[int, "Frames not recognised yet."]
    last_event: Annotated[int, "The newest event's id, for /api/v1/events."]
    calibration: Annotated[str, "Why thresholds should be measured anew, empty while they need not."]
    parts: tuple[Part, ...]
