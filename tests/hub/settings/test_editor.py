"""The JSON Schema that editors complete and underline hub.yaml with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from jsonschema import Draft202012Validator

from config import read
from hub.plugin.validators import duration
from hub.settings import json_schema
from hub.settings.editor import _option
from tests.support.platforms import FakePlatforms

GOOD = """\
hub: {name: Demo School}
recognizer: {platform: onnx_local, min_face: 40}
storage: {platform: local_disk, keep: {crops: 30 days}}
http:
cameras:
  - {platform: folder, id: door, room: 101, path: in, mode: once, every: 1 h 30 min}
  - {platform: rtsp, id: gate, room: "1.10", url: x, crop: {left: 1, zones: [{name: a}]}}
attendance:
  late_after: 10 min
  enough_coverage: 80 %
  timetable:
    - {class: 10A, lecture: Maths, room: 101, days: "mon-fri, sun", start: 9:00, end: "09:50"}
    - {class: 10A, lecture: Maths, room: 101, days: [sat], start: 9:00, end: "09:50"}
"""


def complaints(folder: Path, text: str) -> list[str]:
    """Where the schema objects to a hub.yaml."""
    (folder / "hub.yaml").write_text(text, encoding="utf-8")
    document = read(folder / "hub.yaml", {})
    assert not document.problems
    validator = Draft202012Validator(json_schema(FakePlatforms()))
    return ["->".join(map(str, error.absolute_path)) for error in validator.iter_errors(document.data)]


def test_it_is_a_schema_and_json() -> None:
    schema = json_schema(FakePlatforms())
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


def test_a_valid_file_passes(tmp_path: Path) -> None:
    assert complaints(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("name: Demo School", "nam: x", "hub"),
        ("min_face: 40", "min_face: 4", "recognizer->min_face"),
        ("min_face: 40", "minface: 40", "recognizer"),
        ("platform: local_disk", "platform: folder", "storage->platform"),
        ("crops: 30 days", "crops: 30", "storage->keep->crops"),
        ("crops: 30 days", "crop: 30 days", "storage->keep"),
        ("mode: once", "mode: twice", "cameras->0->mode"),
        ("path: in, ", "", "cameras->0"),
        ("1 h 30 min", "soon", "cameras->0->every"),
        ("zones: [{name: a}]", "zones: [{}]", "cameras->1->crop->zones->0"),
        ("id: gate", "id: Gate", "cameras->1->id"),
        ("mon-fri, sun", "mon-fry", "attendance->timetable->0->days"),
        ("start: 9:00", "start: 25:00", "attendance->timetable->0->start"),
        ("http:", "https:", ""),
        ("80 %", "many", "attendance->enough_coverage"),
    ],
)
def test_what_is_wrong_is_underlined(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert where in complaints(tmp_path, GOOD.replace(old, new, 1))


def test_descriptions_and_defaults_are_carried_over() -> None:
    folder = json_schema(FakePlatforms())["properties"]["cameras"]["items"]["allOf"][0]["then"]
    assert folder["properties"]["path"]["description"] == "the folder"
    assert folder["properties"]["mode"]["default"] == "watch"
    assert folder["required"] == ["path", "platform", "id", "room"]


def test_a_validator_that_cannot_be_expressed_is_left_open() -> None:
    assert _option(vol.Any(object(), vol.Msg(int, "x"))) == {}
    assert _option(vol.ExactSequence([int, str])) == {}


def test_choices_are_sorted() -> None:
    assert _option(vol.In({"b", "a"})) == {"enum": ["a", "b"]}


def test_lists_and_alternatives_of_durations() -> None:
    pattern: Mapping[str, Any] = duration.json_schema
    assert _option([duration]) == {"type": "array", "items": pattern}
