"""What a node is told to do: its camera's orders, with the hours in which its room's lectures are held. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hub.attendance.timetable import Entry, lectures_on

DAYS: Final = 3
"""Local days, from today, whose hours a node is told: it gets along for two without the hub."""
HOURS, MARGIN = "hours", "margin"
"""Orders for the hub: when to watch ("lectures" or "always"), and how many seconds around lectures."""


def configuration(
    orders: Mapping[str, Any], room: str, timetable: Iterable[Entry], zone: ZoneInfo, today: date
) -> tuple[str, dict[str, Any]]:
    """Version and content of what the node of a camera in `room` is told on the local date `today`."""
    config = {name: value for name, value in orders.items() if name not in (HOURS, MARGIN)}
    if orders.get(HOURS) == "lectures":
        spans = active(room, timetable, zone, today, timedelta(seconds=orders.get(MARGIN, 0)))
        config["active"] = [[_microseconds(start), _microseconds(end)] for start, end in spans]
    text = json.dumps(config, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], config


def active(
    room: str, timetable: Iterable[Entry], zone: ZoneInfo, today: date, margin: timedelta
) -> list[tuple[datetime, datetime]]:
    """When the room's lectures are held, and `margin` around them: UTC, in order, none touching the next."""
    entries = [entry for entry in timetable if entry.room == room]
    days = [today + timedelta(days=day) for day in range(-1, DAYS)]  # yesterday's last may reach across midnight
    held = [lecture for day in days for lecture in lectures_on(day, entries, zone)]
    spans = [(lecture.start - margin, lecture.end + margin) for lecture in held]
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    midnight = datetime.combine(today, datetime.min.time(), tzinfo=zone).astimezone(UTC)
    return [span for span in merged if span[1] > midnight]


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
