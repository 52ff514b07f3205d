"""The hub's own options, section by section; plugins bring theirs."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import voluptuous as vol

from hub.plugin.validators import Validator, duration, number, share, slug, text, time_of_day, whole_number
from hub.runtime.catalog import Kind

from .host import this_machine_only
from .law import JURISDICTIONS
from .zone import AUTO, zone_name

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_DAYS = rf"{_DAY}(?:\s*-\s*{_DAY})?"
_HOST = r"[A-Za-z0-9.:_-]{1,253}"


def _days(value: Any) -> frozenset[int]:
    parts = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else []
    found: set[int] = set()
    for part in parts:
        if not isinstance(part, str) or not re.fullmatch(_DAYS, part.strip(), re.IGNORECASE | re.ASCII):
            found.clear()
            break
        first, _, last = (name.strip().lower()[:3] for name in part.partition("-"))
        start = WEEKDAYS.index(first)
        length = (WEEKDAYS.index(last) - start) % 7 if last else 0
        found.update((start + step) % 7 for step in range(length + 1))
    if not found:
        raise vol.ValueInvalid("not days of the week; write for example mon-fri, or mon,wed, or [tue, thu]")
    return frozenset(found)


def _database(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"sqlite:///[^?#]+|postgresql://\S+", value):
        raise vol.ValueInvalid(
            'not a database; write "sqlite:///fras.db" (a file in the data folder) or postgresql://...'
        )
    return value


def _host(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_HOST, value, re.ASCII):
        raise vol.ValueInvalid("not a host; write 127.0.0.1, which is this machine only")
    if not this_machine_only(value):
        raise vol.ValueInvalid(
            "reachable by others, and the panel has no accounts yet; write 127.0.0.1, use an ssh tunnel from elsewhere"
        )
    return value


def _address(value: Any) -> str:
    try:
        return str(ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise vol.ValueInvalid("not an address of this machine; write for example 192.168.10.5, or remove it") from None


def _node_host(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_HOST, value, re.ASCII) or "_" in value:
        raise vol.ValueInvalid("not a name or address; write for example fras.school.example or 192.168.10.5")
    return value


def _sightings(value: Any) -> int:
    match = re.fullmatch(r"(\d{1,4})\s*sightings?", value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= 1000:
        raise vol.ValueInvalid("not a number of sightings; write for example 1 sighting, or 3 sightings")
    return int(match[1])


def _jurisdiction(value: Any) -> str:
    if not isinstance(value, str) or value not in JURISDICTIONS:
        raise vol.ValueInvalid(f"not a jurisdiction that is known; write one of {', '.join(JURISDICTIONS)}")
    return value


def _one_or_several(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise vol.ValueInvalid("expected options; write lines of `key: value` below it")
    return value


def _label(value: Any) -> str:
    return str(text(str(value) if isinstance(value, int) and not isinstance(value, bool) else value))


label = Validator(_label, {"type": ["string", "integer"], "minLength": 1})
"""What people call a room or a class: text, or a whole number (`room: 101`), which YAML gives as written."""

days = Validator(
    _days,
    {
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*{_DAYS}(?:\s*,\s*{_DAYS})*\s*$", "examples": ["mon-fri", "mon,wed"]},
            {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": rf"^\s*{_DAYS}\s*$"}},
        ]
    },
)

_DISTANCE = number(0, 1000)


def _reaches(value: Any) -> tuple[float, ...]:
    return tuple(_DISTANCE(one) for one in (value if isinstance(value, list) and value else [value]))


reach = Validator(
    _reaches, {"anyOf": [_DISTANCE.json_schema, {"type": "array", "minItems": 1, "items": _DISTANCE.json_schema}]}
)
"""Of a chain: one distance for all members, or one for each but the last."""

SECTIONS = {
    vol.Required("hub", description="The school itself"): dict,
    vol.Optional("http", description="Where the web panel and the REST API listen"): dict,
    vol.Required("recognizer", description="Who recognises: one, or a list of which the first is the default"): (
        Validator(_one_or_several, {"type": ["object", "array"]})
    ),
    vol.Required("storage", description="Where images are kept, and how long"): dict,
    vol.Optional("policy", description="When a face counts as recognised"): dict,
    vol.Optional("cameras", description="Where frames come from"): list,
    vol.Optional("nodes", description="Where paired nodes come in"): dict,
    vol.Optional("attendance", description="When somebody counts as present, and the timetable"): dict,
}

HUB = {
    vol.Required("name", description="The school's name"): text,
    vol.Optional("time_zone", default=AUTO, description="auto (the machine's) or an IANA name"): Validator(
        zone_name, {"type": "string", "examples": [AUTO, "Europe/Berlin"]}
    ),
    vol.Optional("database", default="sqlite:///fras.db", description="A database URL"): Validator(
        _database, {"type": "string", "pattern": "^(sqlite:///|postgresql://)"}
    ),
    vol.Optional("jurisdiction", default="other", description="Whose law sets the defaults"): Validator(
        _jurisdiction, {"type": "string", "enum": list(JURISDICTIONS)}
    ),
}

HTTP = {
    vol.Optional("host", default="127.0.0.1"): Validator(_host, {"type": "string", "pattern": f"^{_HOST}$"}),
    vol.Optional("port", default=8123, description="0: any that is free"): whole_number(0, 65535),
}

NODES = {
    vol.Optional("listen", default="auto", description="auto: once there is a node or an invitation"): vol.In(
        ("auto", "always", "never")
    ),
    vol.Optional("host", description="The address to listen at; without it every one of this machine"): Validator(
        _address, {"type": "string", "pattern": f"^{_HOST}$"}
    ),
    vol.Optional("port", default=8124, description="0: any that is free"): whole_number(0, 65535),
    vol.Optional("name", description="The DNS name or address by which nodes find this machine"): Validator(
        _node_host, {"type": "string", "pattern": f"^{_HOST}$", "examples": ["fras.school.example"]}
    ),
    vol.Optional("announce", default=True, description="By multicast DNS, for nodes of the same network"): bool,
}

PLATFORM = {vol.Required("platform", description="The plugin's name"): text}

CAMERA: dict[Any, Any] = {
    **PLATFORM,
    vol.Required("id", description="Names the camera for ever: its facts are stored under it"): slug,
    vol.Required("room", description="The room it watches, as in the timetable"): label,
    vol.Optional("recognizer", description="Who recognises its people; without it the first of the list"): slug,
}

POLICY: dict[Any, Any] = {
    vol.Optional("threshold", description="The lowest score that names somebody"): number(-1000, 1000),
    vol.Optional("single_frame", description="The score from which one frame suffices"): number(-1000, 1000),
    vol.Optional("margin", description="How far ahead of the next person"): number(0, 1000),
    vol.Optional("min_sharpness", description="Variance of the Laplacian"): number(0),
    vol.Optional("max_turn", description="Degrees of yaw or pitch"): number(0, 90),
}

RECOGNIZER: dict[Any, Any] = {
    **PLATFORM,
    vol.Optional("id", description="Names it for cameras and combinations; without it the platform's name"): slug,
    vol.Optional("finder", description="Which of the list finds faces for a service that is sent crops only"): slug,
    vol.Optional("policy", description="When a face counts as recognised by it, in its own measure"): POLICY,
}

CHAIN = {
    vol.Required("id", description="Names it for cameras"): slug,
    vol.Required("chain", description="The next is asked only about faces the one before was unsure of"): [slug],
    vol.Optional("reach", default=0.1, description="Unsure: a best score so far below the threshold"): reach,
}

ENSEMBLE = {
    vol.Required("id", description="Names it for cameras"): slug,
    vol.Required("ensemble", description="So many of them must name the same person"): [slug],
    vol.Optional("agree", description="So many must name the same person; without it all"): whole_number(2, 100),
}

COMBINATIONS = {"chain": CHAIN, "ensemble": ENSEMBLE}
"""By the key that tells a combination from a platform."""

KEEP: dict[Any, Any] = {
    vol.Optional("frames", default="3 days", description="Whole pictures that cannot be recognised now"): duration,
    vol.Optional("crops", default="30 days", description="Evidence: the face that led to a mark"): duration,
    vol.Optional("facts", default="180 days", description="What marks are derived from: who was seen when"): duration,
}

STORAGE: dict[Any, Any] = {**PLATFORM, vol.Optional("keep", default=dict, description="How long what is kept"): KEEP}

PARTS: dict[Kind, dict[Any, Any]] = {"camera": CAMERA, "recognizer": RECOGNIZER, "storage": STORAGE}
"""What the hub reads of a plugin's section; the rest is the plugin's."""

RULES = {
    vol.Optional("late_after", description="Late, when first seen this long after the start"): duration,
    vol.Optional("present_after", description="Sightings that make somebody present"): Validator(
        _sightings, {"type": "string", "pattern": r"^\s*\d{1,4}\s*sightings?\s*$", "examples": ["1 sighting"]}
    ),
    vol.Optional("early", description="A sighting this long before the start counts"): duration,
    vol.Optional("gap", description="A camera silent for longer was not watching"): duration,
    vol.Optional("enough_coverage", description="Watched for less, nobody is called absent, or late"): share,
    vol.Optional("patience", description="How long after the end to wait for a silent camera"): duration,
    vol.Optional("sighting_gap", description="Longer apart are two sightings"): duration,
    vol.Optional("frames_to_confirm", description="Frames that must agree where none suffices alone"): whole_number(
        1, 100
    ),
}

ATTENDANCE = {**RULES, vol.Optional("timetable", default=list, description="The weekly lectures"): list}

_HELD: dict[Any, Any] = {
    vol.Required("class"): label,
    vol.Required("lecture"): label,
    vol.Required("room"): label,
    vol.Required("days"): days,
}

LECTURE = {**_HELD, vol.Required("start"): time_of_day, vol.Required("end"): time_of_day}

CYCLE = {
    **_HELD,
    vol.Required("every", description="It comes again this long after its start, until midnight"): duration,
    vol.Required("length", description="How long it lasts"): duration,
    vol.Optional("start", default="00:00", description="When the day's first starts"): time_of_day,
}
"""A lecture that comes again all day."""
