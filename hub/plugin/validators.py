"""Validators for plugins' schemas and the hub's own: durations, sizes, times of day, numbers, names.

    config_schema = {vol.Optional("every", default="1 s"): duration, vol.Required("path"): text}

Each takes what YAML gives (text, numbers, true or false), returns the typed value and raises `voluptuous.ValueInvalid`
with the message `what is wrong; what to do`. Numbers may come as text, which is what `!secret` and `!env_var`
give. A message never quotes the value: it may be a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any, Final

import voluptuous as vol

UNITS: Final[dict[str, timedelta]] = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "day": timedelta(days=1),
    "days": timedelta(days=1),
    "week": timedelta(weeks=1),
    "weeks": timedelta(weeks=1),
}
BYTES: Final[dict[str, int]] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
_LONGEST: Final = timedelta(weeks=5200)
_NUMBER: Final = r"\d{1,12}(?:\.\d{1,6})?"
_TERM: Final = rf"({_NUMBER})\s*({'|'.join(sorted(UNITS, key=len, reverse=True))})"
_DURATION: Final = rf"{_TERM}(?:\s+{_TERM})*"
_SIZE: Final = rf"({_NUMBER})\s*({'|'.join(BYTES)})"
_TIME: Final = r"([01]?\d|2[0-3]):([0-5]\d)"
_SLUG: Final = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Validator:
    """A callable check that also says, as JSON Schema, what it takes; for `fras check --schema`."""

    check: Callable[[Any], Any]
    json_schema: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        return self.check(value)


def _duration(value: Any) -> timedelta:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise vol.ValueInvalid('a duration needs a unit; write for example "10 min", "30 days", "1 s" or "500 ms"')
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value.strip(), re.ASCII):
        raise vol.ValueInvalid(
            f'not a duration; write for example "10 min" or "1 h 30 min" (units: {", ".join(UNITS)})'
        )
    try:
        total = sum((float(number) * UNITS[unit] for number, unit in re.findall(_TERM, value)), timedelta(0))
    except OverflowError:
        total = timedelta.max
    if total > _LONGEST:
        raise vol.ValueInvalid("longer than 100 years; write a shorter duration")
    return total


def format_duration(length: timedelta) -> str:
    """`length` (not negative) as text that `duration` reads back exactly, down to milliseconds: `1 h 30 min`."""
    parts: list[str] = []
    rest = length
    for unit in ("days", "h", "min", "s", "ms"):
        count, rest = divmod(rest, UNITS[unit])
        if count:
            parts.append(f"{count} {'day' if unit == 'days' and count == 1 else unit}")
    return " ".join(parts) or "0 s"


def _size(value: Any) -> int:
    match = re.fullmatch(_SIZE, value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise vol.ValueInvalid('not a size; write for example "500 MB" or "10 GiB"')
    return int(float(match[1]) * BYTES[match[2]])


def _time_of_day(value: Any) -> time:
    match = re.fullmatch(_TIME, value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise vol.ValueInvalid('not a time of day; write hours and minutes in quotes, for example "09:00"')
    return time(int(match[1]), int(match[2]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise vol.ValueInvalid("expected text; put it in quotes")
    if not value.strip():
        raise vol.ValueInvalid("empty text; write something, or remove the line")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise vol.ValueInvalid("text with a line break or another control character; write it on one line")
    return value


def _slug(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SLUG, value, re.ASCII):
        raise vol.ValueInvalid(
            "not an id; use up to 64 small letters, digits, - and _, for example room-101-door (digits alone in quotes)"
        )
    return value


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _bounded(number: float, low: float | None, high: float | None) -> None:
    if (low is not None and number < low) or (high is not None and number > high):
        lowest = f"from {low} " if low is not None else ""
        highest = f"up to {high}" if high is not None else "upwards"
        raise vol.ValueInvalid(f"out of range; write a number {lowest}{highest}")


def _limits(low: float | None, high: float | None) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {key: limit for key, limit in limits.items() if limit is not None}


def whole_number(low: int | None = None, high: int | None = None) -> Validator:
    """An int from `low` to `high`, both included; true and false are not numbers."""

    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,18}\s*", value, re.ASCII):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise vol.ValueInvalid("expected a whole number")
        _bounded(value, low, high)
        return value

    return Validator(check, {"type": "integer", **_limits(low, high)})


def number(low: float | None = None, high: float | None = None) -> Validator:
    """A finite float from `low` to `high`, both included; true and false are not numbers."""

    def check(value: Any) -> float:
        found = _finite(value)
        if found is None:
            raise vol.ValueInvalid("expected a number")
        _bounded(found, low, high)
        return found

    return Validator(check, {"type": "number", **_limits(low, high)})


def _share(value: Any) -> float:
    percent = re.fullmatch(rf"({_NUMBER})\s*%", value.strip(), re.ASCII) if isinstance(value, str) else None
    found = float(percent[1]) / 100 if percent else _finite(value)
    if found is None or not 0 <= found <= 1:
        raise vol.ValueInvalid('not a share; write for example "80 %" or 0.8')
    return found


duration: Final = Validator(
    _duration, {"type": "string", "pattern": rf"^\s*{_DURATION}\s*$", "examples": ["10 min", "30 days"]}
)
"""`10 min`, `30 days`, `1 s`, `500 ms`, `1 h 30 min` → timedelta, not negative."""

size: Final = Validator(_size, {"type": "string", "pattern": rf"^\s*{_SIZE}\s*$", "examples": ["500 MB"]})
"""`500 MB`, `10 GiB` → bytes."""


def duration_between(low: str, high: str) -> Validator:
    """`duration` from `low` to `high`, both included and written as in hub.yaml."""
    least, most = _duration(low), _duration(high)

    def check(value: Any) -> timedelta:
        found = _duration(value)
        if not least <= found <= most:
            raise vol.ValueInvalid(f"out of range; write a duration from {low} to {high}")
        return found

    return Validator(check, duration.json_schema)


time_of_day: Final = Validator(
    _time_of_day, {"type": "string", "pattern": rf"^\s*{_TIME}\s*$", "examples": ["09:00", "14:30"]}
)
"""`"09:00"` → datetime.time, naive: the school's wall clock."""

share: Final = Validator(
    _share,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*%?\s*$", "examples": ["80 %"]},
        ]
    },
)
"""`80 %` or 0.8 → float between 0 and 1."""

text: Final = Validator(_text, {"type": "string", "minLength": 1})
"""Non-empty text on one line."""

slug: Final = Validator(_slug, {"type": "string", "pattern": f"^{_SLUG}$"})
"""An id that is safe in paths, URLs and topics."""
