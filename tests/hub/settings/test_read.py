"""hub.yaml → Settings: what it means, and every problem it can have."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Invalid, Place, Problem, Severity, format_problems
from hub.attendance.records import Rules
from hub.attendance.timetable import Cycle, Weekly
from hub.settings import (
    CameraPart,
    Http,
    Keep,
    PolicySettings,
    RecognizerPart,
    Recognizers,
    Settings,
    read_settings,
)
from tests.support.platforms import FakePlatforms

GOOD = """\
hub: {name: Demo School, time_zone: Europe/Berlin}
recognizer: {platform: onnx_local}
storage: {platform: local_disk}
"""
CAMERA = "cameras:\n  - {platform: folder, id: door, room: '101', path: in}\n"


def settings_of(folder: Path, text: str, secrets: str = "none: x") -> Settings:
    (folder / "hub.yaml").write_text(text, encoding="utf-8")
    (folder / "secrets.yaml").write_text(secrets, encoding="utf-8")
    return read_settings(folder / "hub.yaml", FakePlatforms(), {})


def problems(folder: Path, text: str, secrets: str = "none: x") -> list[Problem]:
    """Of a hub.yaml with errors."""
    with pytest.raises(Invalid) as caught:
        settings_of(folder, text, secrets)
    return list(caught.value.problems)


def said(folder: Path, text: str, secrets: str = "none: x") -> list[str]:
    return format_problems(problems(folder, text, secrets)).splitlines()


def warned(folder: Path, text: str) -> list[str]:
    return format_problems(settings_of(folder, text).warnings).splitlines()


def lectures(*entries: str) -> str:
    return GOOD + CAMERA + "attendance:\n  timetable:\n" + "".join(f"    - {entry}\n" for entry in entries)


def lecture(
    name: str = "Maths",
    days: str = "mon-fri",
    start: str = "09:00",
    end: str = "09:50",
    room: str = "101",
    of: str = "10A",
) -> str:
    return f"{{class: {of}, lecture: {name}, room: '{room}', days: '{days}', start: '{start}', end: '{end}'}}"


class TestMeaning:
    def test_the_least_there_can_be(self, tmp_path: Path) -> None:
        found = settings_of(tmp_path, GOOD)
        assert found.school.name == "Demo School"
        assert found.school.time_zone == ZoneInfo("Europe/Berlin")
        assert (found.school.database, found.school.jurisdiction) == ("sqlite:///fras.db", "other")
        assert found.http == Http("127.0.0.1", 8123)
        part = RecognizerPart("onnx_local", "onnx_local", {"pack": "dlib", "min_face": 40}, Place("", 0))
        assert found.recognizer == Recognizers((part,), (), "onnx_local")
        assert found.keep == Keep(frames=timedelta(days=3), crops=timedelta(days=30), facts=timedelta(days=180))
        assert found.policy == PolicySettings()
        assert found.rules == Rules()
        assert (found.cameras, found.timetable, found.warnings) == ((), (), ())

    def test_everything(self, tmp_path: Path) -> None:
        text = GOOD.replace("local_disk", "local_disk, path: images, keep: {crops: 2 weeks}") + CAMERA
        text += """\
http: {host: localhost, port: !env_var PORT 9000}
policy: {threshold: 0.4, single_frame: 0.5, margin: 0.05, min_sharpness: 10, max_turn: 60}
attendance:
  late_after: 5 min
  present_after: 2 sightings
  early: 1 min
  gap: 20 s
  enough_coverage: 75 %
  patience: 2 h
  sighting_gap: 3 min
  frames_to_confirm: 3
  timetable:
    - {class: 10A, lecture: Maths, room: "101", days: [mon, Wednesday, fri - sat], start: 9:00, end: 09:50}
"""
        found = settings_of(tmp_path, text)
        assert found.http == Http("localhost", 9000)
        assert found.storage.options == {"path": "images"}
        assert found.keep.crops == timedelta(weeks=2)
        assert found.cameras == (
            CameraPart("folder", "door", {"path": "in", "mode": "watch"}, Place("hub.yaml", 5), room="101"),
        )
        assert found.cameras[0].place == ("hub.yaml", 5)
        assert found.policy == PolicySettings(0.4, 0.5, 0.05, 10, 60)
        assert found.rules == Rules(
            late_after=timedelta(minutes=5),
            present_after=2,
            early=timedelta(minutes=1),
            gap=timedelta(seconds=20),
            enough_coverage=0.75,
            patience=timedelta(hours=2),
            sighting_gap=timedelta(minutes=3),
            frames_to_confirm=3,
        )
        assert found.timetable == (Weekly("10A", "Maths", "101", frozenset({0, 2, 4, 5}), time(9), time(9, 50)),)

    def test_rooms_and_classes_may_be_numbers(self, tmp_path: Path) -> None:
        found = settings_of(tmp_path, lectures(lecture(of="010")).replace("room: '101'", "room: 101"))
        assert (found.cameras[0].room, found.timetable[0].room, found.timetable[0].class_name) == ("101", "101", "010")

    def test_a_line_more_changes_nothing(self, tmp_path: Path) -> None:
        assert settings_of(tmp_path, GOOD + CAMERA) == settings_of(tmp_path, "\n# more\n" + GOOD + CAMERA)

    def test_empty_optional_sections_are_as_if_left_out(self, tmp_path: Path) -> None:
        assert settings_of(tmp_path, GOOD + "http:\ncameras:\nattendance:\npolicy:\n") == settings_of(tmp_path, GOOD)

    def test_settings_do_not_show_secrets(self, tmp_path: Path) -> None:
        text = GOOD.replace("name:", "database: !secret url, name:") + CAMERA.replace("path: in", "path: !secret url")
        found = settings_of(tmp_path, text, "url: postgresql://fras:hunter2@db/fras")
        assert found.school.database.endswith("hunter2@db/fras")
        assert "hunter2" not in repr(found)
        assert "hunter2" not in repr(found.cameras[0].options)

    def test_only_named_platforms_are_loaded(self, tmp_path: Path) -> None:
        (tmp_path / "hub.yaml").write_text(GOOD + CAMERA)
        platforms = FakePlatforms()
        read_settings(tmp_path / "hub.yaml", platforms, {})
        assert set(platforms.loaded) == {"folder", "onnx_local", "local_disk"}


class TestFields:
    def test_a_school_without_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match=r"^hub\.yaml: there is no such file; check the name, or create it$"):
            read_settings(tmp_path / "hub.yaml", FakePlatforms(), {})

    def test_an_empty_mapping_lacks_three_sections(self, tmp_path: Path) -> None:
        assert [line.partition(" is missing")[0] for line in said(tmp_path, "{}")] == [
            f"hub.yaml, line 1: Invalid config for 'hub.yaml': the required option '{name}'"
            for name in ("hub", "recognizer", "storage")
        ]

    def test_a_broken_file_is_one_problem(self, tmp_path: Path) -> None:
        assert len(problems(tmp_path, "hub: [")) == 1

    def test_a_misspelt_section(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, GOOD.replace("recognizer", "recogniser"))
        assert line.endswith("'recogniser' is an invalid option, check recogniser; did you mean 'recognizer'?")

    def test_problems_of_all_sections_at_once(self, tmp_path: Path) -> None:
        text = """\
hub: {name: 7, time_zone: Europe/Berln, database: mysql://x, jurisdiction: mars}
http: {prt: 1}
recognizer: {platform: onnx_local, min_face: 4}
storage: {platform: local_disk, keep: {crop: 1 day}}
policy: {margin: -1}
cameras:
  - {platform: folder, id: Door, room: 1.10, pth: in}
attendance: {late_after: 10, present_after: 0 sightings, enough_coverage: 80}
"""
        lines = said(tmp_path, text)
        wanted = [
            ("line 1", 'put it in quotes: "7"'),
            ("line 1", "did you mean 'Europe/Berlin'?"),
            ("line 1", "not a database for 'database', check"),
            ("line 1", "not a jurisdiction that is known for 'jurisdiction', got 'mars'"),
            ("line 2", "did you mean 'port'?"),
            ("line 3", "check recognizer->min_face; write a number from 16 up to 1000"),
            ("line 4", "check storage->keep->crop; did you mean 'crops'?"),
            ("line 5", "check policy->margin"),
            ("line 7", "not an id for 'id', got 'Door', check cameras->0->id"),
            ("line 7", 'put it in quotes: "1.10"'),
            ("line 7", "'pth' is an invalid option, check cameras->0->pth; did you mean 'path'?"),
            ("line 8", "a duration needs a unit for 'late_after'"),
            ("line 8", "not a number of sightings for 'present_after'"),
            ("line 8", "not a share for 'enough_coverage'"),
        ]
        for line, fact in wanted:
            assert any(line in said_line and fact in said_line for said_line in lines), (line, fact, lines)
        assert len(lines) == len(wanted)

    @pytest.mark.parametrize("section", ["hub", "http", "policy", "attendance", "cameras", "recognizer", "storage"])
    def test_a_section_of_the_wrong_shape_is_one_problem(self, tmp_path: Path, section: str) -> None:
        text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(section))
        (line,) = said(tmp_path, text + f"{section}: 7\n")
        assert f"for '{section}', got '7', check {section}; " in line

    def test_a_camera_of_the_wrong_shape(self, tmp_path: Path) -> None:
        assert len(problems(tmp_path, GOOD + "cameras:\n  - folder\n  -\n")) == 2

    @pytest.mark.parametrize("host", ["a b", "", "http://x", 7])
    def test_hosts(self, tmp_path: Path, host: object) -> None:
        (line,) = said(tmp_path, GOOD + f"http: {{host: {host!r}}}")
        assert "not a host for 'host'" in line

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "fras.school.example"])
    def test_hosts_that_others_reach(self, tmp_path: Path, host: str) -> None:
        (line,) = said(tmp_path, GOOD + f"http: {{host: {host!r}}}")
        assert "reachable by others, and the panel has no accounts yet for 'host'" in line

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_hosts_of_this_machine(self, tmp_path: Path, host: str) -> None:
        assert settings_of(tmp_path, GOOD + f"http: {{host: {host!r}, port: 0}}").http == Http(host, 0)

    @pytest.mark.parametrize("days", ["[]", "mn-fri", "''", "[1, 2]", "mon-", "mon;tue", "[mon, [tue]]", "{mon: tue}"])
    def test_days(self, tmp_path: Path, days: str) -> None:
        (line,) = said(tmp_path, lectures(lecture().replace("'mon-fri'", days)))
        assert "not days of the week for 'days'" in line

    @pytest.mark.parametrize(
        ("days", "meant"),
        [("sun-thu", {6, 0, 1, 2, 3}), ("mon", {0}), ("Mon, WED", {0, 2}), ("sat-sun", {5, 6}), ("fri-fri", {4})],
    )
    def test_days_that_are(self, tmp_path: Path, days: str, meant: set[int]) -> None:
        assert settings_of(tmp_path, lectures(lecture(days=days))).timetable[0].days == meant


class TestPlatforms:
    def test_options_that_do_not_go_together(self, tmp_path: Path) -> None:
        camera = "cameras:\n  - {platform: rtsp, id: door, room: '101', url: x, password: !secret pw, "
        (line,) = said(tmp_path, GOOD + camera + "audio: true, format: jpeg}\n", "pw: hunter2")
        assert line == "hub.yaml, line 5: Invalid config for 'rtsp': a jpeg for *** has no audio; remove one of them"
        (line,) = said(tmp_path, GOOD + camera + "port: 13}\n", "pw: hunter2")
        assert line.startswith("hub.yaml, line 5: Invalid config for 'rtsp': fault of the plugin: RuntimeError: cannot")
        assert "hunter2" not in line
        (line,) = said(tmp_path, GOOD + camera + "port: 13, audio: 7}\n", "pw: hunter2")
        assert "'audio'" in line, "what is wrong by itself is said first"

    def test_one_that_is_not_installed(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, GOOD + CAMERA.replace("folder", "foldr"))
        assert line == (
            "hub.yaml, line 5: the camera platform 'foldr' cannot be used: no installed package offers it; "
            "did you mean folder?"
        )

    def test_one_of_another_kind(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, GOOD.replace("local_disk", "folder"))
        assert (
            line
            == "hub.yaml, line 3: the platform 'folder' is not for a storage; choose another: fras plugins lists them"
        )

    def test_none(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, GOOD.replace("platform: local_disk", "path: x"))
        assert "the required option 'platform' is missing, check storage" in line

    def test_the_hubs_own_options_are_checked_all_the_same(self, tmp_path: Path) -> None:
        lines = said(tmp_path, GOOD + "cameras:\n  - {platform: foldr, id: A, path: x}\n")
        assert len(lines) == 3
        assert any("not an id" in line for line in lines)
        assert any("'room' is missing" in line for line in lines)


def again(name: str = "Drawing", **changed: str) -> str:
    """A lecture of class Demo that comes again all day."""
    keys = {"days": "mon-sun", "every": "20 min", "length": "8 min"} | changed
    rest = ", ".join(f'{key}: "{value}"' for key, value in keys.items())
    return f"{{class: Demo, lecture: {name}, room: '101', {rest}}}"


class TestBetweenFields:
    def test_they_speak_although_fields_elsewhere_are_wrong(self, tmp_path: Path) -> None:
        text = lectures(lecture(), lecture("Physics", start="09:30", end="10:00"), lecture("Art", days="xyz"))
        text = text.replace("path: in}", "path: in}\n  - {platform: folder, id: door, room: 0.7, pth: x}")
        text += "policy: {threshold: 0.5, single_frame: 0.4, margin: x}\n"
        lines = said(tmp_path, text)
        assert any("the camera id 'door' is already used in line 5" in line for line in lines)
        assert any("'Physics' overlaps with 'Maths' of the same class and room in line 9" in line for line in lines)
        assert any("single_frame (0.4) is below threshold (0.5)" in line for line in lines)
        assert len(lines) == 7

    def test_camera_ids_on_one_line(self, tmp_path: Path) -> None:
        camera = "{platform: folder, id: a, room: '1', path: x}"
        (line,) = said(tmp_path, GOOD + f"cameras: [{camera}, {camera}]")
        assert "the camera id 'a' is already used in line 4" in line

    def test_equal_policy_scores_are_fine(self, tmp_path: Path) -> None:
        assert settings_of(tmp_path, GOOD + "policy: {threshold: 0.5, single_frame: 0.5}").policy.single_frame == 0.5

    def test_new_york_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, GOOD.replace("name:", "jurisdiction: us-ny, name:"))
        assert "line 1: face recognition is barred in New York's schools" in line

    @pytest.mark.parametrize("jurisdiction", ["eu", "uk", "us", "us-il"])
    def test_elsewhere_the_check_reminds(self, tmp_path: Path, jurisdiction: str) -> None:
        (line,) = warned(tmp_path, GOOD.replace("name:", f"jurisdiction: {jurisdiction}, name:"))
        assert line.startswith("hub.yaml, line 1: warning: ")

    def test_a_room_that_no_camera_watches(self, tmp_path: Path) -> None:
        (line,) = warned(
            tmp_path, lectures(lecture(), lecture(room="1O1", of="9B"), lecture("Art", room="1O1", of="8C"))
        )
        assert line == "hub.yaml, line 9: warning: no camera watches room '1O1'; did you mean '101'?"

    @pytest.mark.parametrize(
        ("every", "gap", "warning"),
        [
            ("1 min", "", "looks each 1 min, and attendance->gap is 1 min (the default); write gap: 3 min, or"),
            ("50 s", "", ""),
            ("1 min", "gap: 3 min", ""),
            ("3 min", "gap: 3 min", "attendance->gap is 3 min (hub.yaml, line 6); write gap: 9 min, or its lectures"),
        ],
    )
    def test_a_camera_that_looks_too_seldom_to_count(self, tmp_path: Path, every: str, gap: str, warning: str) -> None:
        text = GOOD + f"cameras:\n  - {{platform: snapshot, id: door, room: '101', every: {every}}}\n"
        lines = warned(tmp_path, text + (f"attendance: {{{gap}}}\n" if gap else ""))
        assert len(lines) == bool(warning)
        assert all(line.startswith("hub.yaml, line 5: warning: ") and warning in line for line in lines)

    def test_nothing_is_said_of_rooms_while_a_cameras_room_is_unknown(self, tmp_path: Path) -> None:
        lines = said(tmp_path, lectures(lecture(room="9")).replace("room: '101', path: in", "room: 9.0, path: in"))
        assert len(lines) == 1


class TestTimetable:
    @pytest.mark.parametrize("end", ["09:00", "08:50", "00:30"])
    def test_an_end_before_the_start(self, tmp_path: Path, end: str) -> None:
        (line,) = said(tmp_path, lectures(lecture(end=end)))
        assert line.startswith("hub.yaml, line 8: the lecture ends")

    def test_an_evening_class_may_end_after_midnight(self, tmp_path: Path) -> None:
        assert settings_of(tmp_path, lectures(lecture(start="22:00", end="00:30"))).timetable[0].end == time(0, 30)

    def test_the_same_lecture_twice(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, lectures(lecture(), lecture(days="fri-sun", end="09:40")))
        assert line == (
            "hub.yaml, line 9: 'Maths' of '10A' at 09:00 is already in line 8 for a day of these; remove one of the two"
        )

    def test_a_class_in_two_rooms_is_a_warning(self, tmp_path: Path) -> None:
        lines = warned(tmp_path, lectures(lecture(), lecture("Art", room="102")))
        assert "class '10A' is in room '102' and, in line 8, in room '101' at the same time" in lines[0]

    @pytest.mark.parametrize(
        "other",
        [
            lecture("Art", start="09:50", end="10:40"),
            lecture("Art", days="sat,sun"),
            lecture("Art", of="10B"),
            lecture("Art", start="08:00", end="09:00"),
        ],
    )
    def test_what_does_not_overlap(self, tmp_path: Path, other: str) -> None:
        assert warned(tmp_path, lectures(lecture(), other)) == []

    def test_an_overlap_is_found_behind_a_short_lecture(self, tmp_path: Path) -> None:
        entries = (
            lecture("Long", start="08:00", end="12:00"),
            lecture("Short", start="08:10", end="08:20"),
            lecture("Late", start="11:00", end="11:30"),
        )
        lines = said(tmp_path, lectures(*entries))
        assert len(lines) == 2
        assert all("with 'Long'" in line for line in lines)

    def test_a_lecture_may_come_again_all_day(self, tmp_path: Path) -> None:
        (cycle,) = settings_of(tmp_path, lectures(again())).timetable
        assert cycle == Cycle(
            "Demo", "Drawing", "101", frozenset(range(7)), timedelta(minutes=20), timedelta(minutes=8)
        )

    def test_two_cycles_may_take_turns(self, tmp_path: Path) -> None:
        assert warned(tmp_path, lectures(again(), again("Music", start="00:10"))) == []

    def test_a_cycle_that_overlaps_is_said_once(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, lectures(again(), again("Music", start="00:05")))
        assert line.startswith("hub.yaml, line 9: 'Music' overlaps with 'Drawing' of the same class and room in line 8")

    def test_a_cycle_and_a_lecture_of_one_class_overlap(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, lectures(lecture(of="Demo"), again()))
        assert "'Drawing' overlaps with 'Maths'" in line

    @pytest.mark.parametrize(
        ("changed", "wrong"),
        [
            ({"length": "21 min"}, "the lecture lasts 21 min and comes again every 20 min"),
            ({"length": "0 s"}, "a lecture without whole seconds"),
            ({"every": "2 days"}, "not a rhythm of a day"),
            ({"every": "2 s"}, "not a rhythm of a day"),
            ({"end": "09:00"}, "'end' is an invalid option"),
        ],
    )
    def test_a_cycle_that_makes_no_sense(self, tmp_path: Path, changed: dict[str, str], wrong: str) -> None:
        (line,) = said(tmp_path, lectures(again(**changed)))
        assert line.startswith("hub.yaml, line 8: ")
        assert wrong in line

    def test_it_may_stand_in_a_file_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "week.yaml").write_text(f"- {lecture()}\n- {lecture(end='nine')}\n")
        (problem,) = problems(tmp_path, GOOD + CAMERA + "attendance: {timetable: !include week.yaml}")
        assert (problem.file, problem.line) == ("week.yaml", 2)

    def test_a_large_one_is_read_in_time(self, tmp_path: Path) -> None:
        entries = (
            lecture(of=f"{n}", room="101", start=f"{8 + n % 8:02}:00", end=f"{8 + n % 8:02}:50") for n in range(1000)
        )
        assert len(settings_of(tmp_path, lectures(*entries)).timetable) == 1000


KEYS = st.sampled_from(
    (
        *("hub", "name", "time_zone", "database", "http", "port", "host", "recognizer", "storage", "platform", "keep"),
        *(
            "crops",
            "cameras",
            "id",
            "room",
            "path",
            "mode",
            "url",
            "password",
            "odd",
            "crop",
            "zones",
            "policy",
            "pack",
        ),
        *("threshold", "single_frame", "attendance", "timetable", "class", "lecture", "days", "start", "end", "bogus"),
        *("late_after", "jurisdiction", "min_face", "enough_coverage", "present_after"),
    )
)
LEAVES = st.sampled_from(
    (
        *("!secret pw", "!secret pw", "!env_var PW", "7", "0.5", "true", "~", "text", "folder", "rtsp", "onnx_local"),
        *("local_disk", "1 s", "'09:00'", "mon-fri", "'101'", "!secret gone", "[", "'"),
    )
)


def flow(values: list[str] | list[tuple[str, str]]) -> str:
    if values and isinstance(values[0], tuple):
        return "{" + ", ".join(f"{key}: {value}" for key, value in values) + "}"
    return "[" + ", ".join(map(str, values)) + "]"


VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3).map(flow) | st.lists(st.tuples(KEYS, inner), max_size=6).map(flow),
    max_leaves=25,
)
SECTIONS = st.sampled_from(["hub", "http", "recognizer", "storage", "policy", "cameras", "attendance"])
PLUGIN = st.sampled_from(["folder", "rtsp", "onnx_local", "local_disk", "!secret pw"])
OPTIONS = st.lists(st.tuples(KEYS, VALUES), max_size=6)
SECRET = "Hunter2-ß-blackFriday"


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(SECTIONS, VALUES), max_size=7), st.lists(st.tuples(PLUGIN, OPTIONS), max_size=3))
def test_no_configuration_makes_reading_fail_or_shows_a_secret(
    tmp_path: Path, sections: list[tuple[str, str]], cameras: list[tuple[str, list[tuple[str, str]]]]
) -> None:
    text = "".join(f"{name}: {value}\n" for name, value in sections)
    text += "cameras:\n" + "".join(f"  - {flow([('platform', plugin), *options])}\n" for plugin, options in cameras)
    (tmp_path / "hub.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "secrets.yaml").write_text(f"pw: {SECRET}", encoding="utf-8")
    try:
        found = read_settings(tmp_path / "hub.yaml", FakePlatforms(), {"PW": SECRET})
        shown, listed = repr(found), found.warnings
    except Invalid as invalid:
        shown, listed = f"{invalid} {invalid!r}", invalid.problems
        assert any(problem.severity is Severity.ERROR for problem in listed)
    assert "hunter2" not in shown.lower()
    assert "friday" not in shown.lower()
    for problem in listed:
        assert problem.file == "hub.yaml"
        assert problem.line >= 1
        assert problem.message
