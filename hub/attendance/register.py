"""A whole day of attendance as one pure function of the facts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .coverage import covered_spans, watch
from .marks import marks
from .records import Lecture, Mark, Observation, Rules, Sighting, Span
from .roster import Person, rosters
from .sightings import sightings


@dataclass(frozen=True, slots=True)
class Register:
    """The day's lectures by time; its sightings by time, camera and person; its marks by lecture and person."""

    lectures: tuple[Lecture, ...]
    sightings: tuple[Sighting, ...]
    marks: tuple[Mark, ...]


def register(
    day: date,
    lectures: Iterable[Lecture],
    zone: ZoneInfo,
    people: Iterable[Person],
    observations: Iterable[Observation],
    signals: Mapping[str, Iterable[datetime]],
    watermarks: Mapping[str, datetime],
    rooms: Mapping[str, str],
    rules: Rules,
    as_of: datetime,
    unseen: Mapping[str, Iterable[Span]] | None = None,
) -> Register:
    """The register of the local date `day`, on which these lectures start.

    `signals` (capture times of frames, heartbeats), `unseen` (when frames had come that nobody has looked at) and
    `watermarks` are by camera; `rooms` maps each camera to the room it watches. Observations and signals outside
    `facts_of` the day are ignored, so that it does not matter how much more a caller read; their order, repetition and
    batching do not matter either. `as_of` decides nothing but whether patience with silent cameras has run out.
    """
    lectures, people = sorted(lectures), tuple(people)
    reach = facts_of(day, lectures, zone, rules)
    found = sightings((o for o in observations if reach.start <= o.captured_at < reach.end), rules)
    covered = {
        camera: covered_spans(
            (s for s in times if reach.start <= s <= reach.end), rules, (unseen or {}).get(camera, ())
        )
        for camera, times in signals.items()
    }
    by_room: dict[str, list[Sighting]] = {}
    for sighting in found:
        by_room.setdefault(rooms.get(sighting.camera, ""), []).append(sighting)
    drawn: list[Mark] = []
    belonging = rosters(lectures, people)
    in_room: dict[str, list[Lecture]] = {}
    for lecture in lectures:
        in_room.setdefault(lecture.room, []).append(lecture)
    for lecture in lectures:
        cameras = (camera for camera, room in rooms.items() if room == lecture.room)
        drawn += marks(
            lecture,
            belonging[lecture.id],
            by_room.get(lecture.room, ()),
            watch(lecture, cameras, covered, watermarks),
            rules,
            as_of,
            zone,
            _opens(lecture, in_room[lecture.room], belonging),
        )
    return Register(tuple(lectures), tuple(found), tuple(sorted(drawn, key=lambda mark: (mark.lecture, mark.person))))


def facts_of(day: date, lectures: Iterable[Lecture], zone: ZoneInfo, rules: Rules) -> Span:
    """The stretch of time whose facts the register of `day` is made of: the local day, and what the lectures that
    start on it reach into of the days beside it."""
    midnights = (datetime.combine(d, time.min, tzinfo=zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    start, end = midnights
    for lecture in lectures:
        start = min(start, lecture.start - max(rules.early, rules.gap))
        end = max(end, lecture.end + rules.gap)
    return Span(start, end)


def conclusions(sightings: Iterable[Sighting], marks: Iterable[Mark]) -> bytes:
    """Sightings and marks of a day as UTF-8 JSON that is the same, byte for byte, for the same conclusions."""
    return canonical(
        Register((), tuple(sorted(sightings, key=_place)), tuple(sorted(marks, key=lambda m: (m.lecture, m.person))))
    )


def canonical(register: Register) -> bytes:
    """The register as UTF-8 JSON that is the same, byte for byte, for the same register."""
    rows = {part.name: [_row(record) for record in getattr(register, part.name)] for part in fields(Register)}
    return json.dumps(rows, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _place(sighting: Sighting) -> tuple[datetime, str, str]:
    return sighting.first, sighting.camera, sighting.person


def _row(record: Lecture | Sighting | Mark) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _opens(lecture: Lecture, in_room: Iterable[Lecture], belonging: Mapping[str, list[Person]]) -> dict[str, datetime]:
    """When the door opens for those whose earlier lecture in the same room ends just before: being seen in that
    one is not coming early to this one."""
    opens: dict[str, datetime] = {}
    for earlier in in_room:
        if earlier.end <= lecture.start:
            for person in belonging[earlier.id]:
                opens[person.id] = max(opens.get(person.id, earlier.end), earlier.end)
    return opens
