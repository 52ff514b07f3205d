"""The hub.yaml that FRAS ships, and its manual page, with the plugins that FRAS ships."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import voluptuous as vol
from jsonschema import Draft202012Validator

from config import Severity, read
from hub.attendance.records import Lecture
from hub.attendance.timetable import lectures_on
from hub.runtime.catalog import Catalog
from hub.settings import Settings, json_schema, read_settings, schemas

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "hub.yaml"


def test_it_is_valid_and_every_room_is_watched() -> None:
    found = read_settings(SHIPPED, Catalog(external=False), {"TZ": "Europe/Berlin"})
    assert found.warnings == ()
    assert [camera.platform for camera in found.cameras] == ["demo", "demo"]
    assert {entry.room for entry in found.timetable} == {"101", "102"} == {camera.room for camera in found.cameras}


def test_a_demo_lecture_is_running_whatever_the_hour() -> None:
    found = read_settings(SHIPPED, Catalog(external=False), {"TZ": "Europe/Berlin"})
    sunday = date(2026, 11, 22)
    lectures = [lecture for day in (sunday, sunday + timedelta(days=1)) for lecture in lectures_on_day(found, day)]
    assert all(lecture.class_name == "Demo" for lecture in lectures)
    assert {b.start - a.end for a, b in pairwise(lectures)} == {timedelta(0)}


def lectures_on_day(found: Settings, day: date) -> list[Lecture]:
    return lectures_on(day, found.timetable, found.school.time_zone)


def test_a_machine_on_utc_is_told_to_name_its_zone() -> None:
    (warning,) = read_settings(SHIPPED, Catalog(external=False), {"TZ": "UTC"}).warnings
    assert warning.severity is Severity.WARNING
    assert "this machine keeps UTC; name the school's" in str(warning)


def test_editors_accept_it() -> None:
    catalog = Catalog(external=False)
    catalog.load_all()
    schema = json_schema(catalog)
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(read(SHIPPED, {}).data)) == []


def test_the_manual_names_every_option_of_the_hub_with_its_default() -> None:
    manual = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", manual, re.MULTILINE | re.DOTALL))
    assert {str(marker) for marker in schemas.SECTIONS} <= set(sections)
    for name, schema in {
        "hub": schemas.HUB,
        "http": schemas.HTTP,
        "nodes": schemas.NODES,
        "policy": schemas.POLICY,
        "storage": schemas.KEEP,
        "cameras": schemas.CAMERA,
        "attendance": schemas.ATTENDANCE,
    }.items():
        for marker in schema:
            assert f"{marker}" in sections[name], f"{name}: {marker}"
            if isinstance(marker.default, vol.schema_builder.Undefined) or marker in ("timetable",):
                continue
            default = marker.default()
            default = str(default).lower() if isinstance(default, bool) else default
            assert f"`{default}`" in sections[name], f"{name}: {marker}'s default"
