"""YAML as school IT writes it: what it means, where it stands, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Document, Secret, read


def reading(folder: Path, text: str | bytes, environ: Mapping[str, str] | None = None, **others: str) -> Document:
    """hub.yaml with `text`, beside `others` (secrets="..." is secrets.yaml)."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (folder / "hub.yaml").write_bytes(data)
    for name, content in others.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    return read(folder / "hub.yaml", environ or {})


def said(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


def data(folder: Path, text: str) -> Any:
    document = reading(folder, text)
    assert not document.problems, said(document)
    return document.data


class TestScalars:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("9:30", "9:30"),
            ("10:00", "10:00"),
            ("09:00", "09:00"),
            ("190:20:30", "190:20:30"),
            ("yes", "yes"),
            ("no", "no"),
            ("on", "on"),
            ("Off", "Off"),
            ("true", True),
            ("False", False),
            ("010", "010"),
            ("007.5", "007.5"),
            ("0o17", "0o17"),
            ("0x1F", "0x1F"),
            ("+49", "+49"),
            ("0", 0),
            ("-0", 0),
            ("101", 101),
            ("-3", -3),
            ("1_000", "1_000"),
            ("0.5", 0.5),
            (".5", ".5"),
            ("5.", "5."),
            ("1.10", 1.1),
            ("1e3", 1000.0),
            ("2026-11-23", "2026-11-23"),
            (".inf", ".inf"),
            ("~", None),
            ("null", None),
            ("", None),
            ("'7'", "7"),
            ("10A", "10A"),
            ("!!str 7", "7"),
            ("!!int '7'", 7),
            ("=", "="),
            ("<<", "<<"),
        ],
    )
    def test_only_what_json_calls_a_number_is_one(self, tmp_path: Path, written: str, meant: object) -> None:
        found = data(tmp_path, f"key: {written}")["key"]
        assert (found, type(found)) == (meant, type(meant))

    def test_keys_are_text_as_written(self, tmp_path: Path) -> None:
        assert data(tmp_path, "on: 1\n010: 2\nnull: 3\n") == {"on": 1, "010": 2, "null": 3}

    def test_numbers_are_remembered_as_written(self, tmp_path: Path) -> None:
        document = reading(tmp_path, 'rooms: [1.10, 1e3, true, "7", 010]')
        assert document.written == {("rooms", 0): "1.10", ("rooms", 1): "1e3", ("rooms", 2): "true"}

    @pytest.mark.parametrize("written", ["9" * 5000, "1e999", "!!int x", "!!float x", "!!bool x", "!!int ''"])
    def test_what_is_no_usable_number_is_said(self, tmp_path: Path, written: str) -> None:
        document = reading(tmp_path, f"a: 1\nb: {written}\n")
        assert [problem.line for problem in document.problems] == [2]
        assert document.data == {"a": 1}
        assert document.unread == {("b",)}


class TestPlaces:
    def test_each_key_and_entry_has_its_line(self, tmp_path: Path) -> None:
        document = reading(
            tmp_path, "hub:\n  name: x\n\ncameras:\n  - id: a\n    room: b\n  - {id: c,\n     room: d}\n"
        )
        lines = {keys: place.line for keys, place in document.places.items()}
        assert lines[("hub", "name")] == 2
        assert lines[("cameras",)] == 4
        assert lines[("cameras", 0)] == 5
        assert lines[("cameras", 0, "room")] == 6
        assert lines[("cameras", 1, "room")] == 8

    def test_what_is_missing_stands_where_its_parent_does(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "a: 1\nhub:\n  name: x\n")
        assert document.place(("hub", "zone", 3)) == ("hub.yaml", 2)
        assert document.place(("nothing",)) == ("hub.yaml", 1)


class TestDuplicatesAndMerges:
    def test_a_duplicate_key_names_both_lines(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "http:\n  port: 1\n  host: x\n  port: 2\n")
        assert said(document) == ["hub.yaml, line 4: the key 'port' is already set in line 2; remove one of the two"]
        assert document.data == {"http": {"port": 1, "host": "x"}}

    def test_keys_that_only_look_different_are_duplicates(self, tmp_path: Path) -> None:
        assert len(reading(tmp_path, "port: 1\n\"port\": 2\n'port': 3\n").problems) == 2

    def test_merged_keys_yield_to_own_ones_and_earlier_ones(self, tmp_path: Path) -> None:
        text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n"
        document = reading(tmp_path, text)
        assert document.data["c"] == {"x": 3, "y": 1, "z": 2}
        assert document.place(("c", "y")).line == 1
        assert document.place(("c", "x")).line == 5
        assert not document.problems

    def test_only_mappings_are_merged(self, tmp_path: Path) -> None:
        assert "<< merges only mappings" in said(reading(tmp_path, "a: {<<: 5, b: 1}"))[0]

    def test_aliases_are_values_of_their_own(self, tmp_path: Path) -> None:
        found = data(tmp_path, "a: &a [1]\nb: *a\n")
        assert found["b"] == [1]
        assert found["a"] is not found["b"]


class TestSecrets:
    def test_a_secret_is_text_that_does_not_show(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "url: !secret door", secrets="door: 0123\n")
        assert document.data["url"] == "0123"
        assert isinstance(document.data["url"], Secret)
        assert "0123" not in repr(document)
        assert "0123" not in repr(document.data)
        assert document.secrets == {"0123"}

    def test_the_file_is_missing(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, "a: 1\nurl: !secret door").problems
        assert (problem.file, problem.line) == ("hub.yaml", 2)
        assert "secrets.yaml: there is no such file; create it beside hub.yaml" in str(problem)

    def test_the_key_is_missing(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, "url: !secret dor", secrets="door: x\n").problems
        assert str(problem) == "hub.yaml, line 1: !secret dor: secrets.yaml has no such key; did you mean 'door'?"

    @pytest.mark.parametrize("broken", ["hunter2", "pw: *hunter2", "pw: 'hunter2", "? hunter2 [", "pw: hunter2: x"])
    def test_a_broken_secrets_file_is_not_quoted(self, tmp_path: Path, broken: str) -> None:
        document = reading(tmp_path, "url: !secret pw", secrets=broken)
        assert document.problems
        assert "hunter2" not in "".join(said(document))

    @pytest.mark.parametrize("value", ["[a]", "{a: b}", "", "!secret other", '"\\ud800"'])
    def test_a_secret_is_one_text(self, tmp_path: Path, value: str) -> None:
        (problem,) = reading(tmp_path, "url: !secret pw", secrets=f"\npw: {value}").problems
        assert (problem.file, problem.line) == ("secrets.yaml", 2)

    def test_a_duplicate_secret(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, "url: !secret pw", secrets="pw: a1\npw: b2\n").problems
        assert (problem.file, problem.line) == ("secrets.yaml", 2)

    def test_it_cannot_be_included(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, "a: !include secrets.yaml", secrets="pw: hunter2").problems
        assert "cannot be included" in problem.message

    def test_included_files_use_the_same_secrets(self, tmp_path: Path) -> None:
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "cameras.yaml").write_text("- !secret pw\n")
        assert reading(tmp_path, "c: !include more/cameras.yaml", secrets="pw: hunter2").data == {"c": ["hunter2"]}


class TestVariables:
    def test_it_is_text_and_does_not_show(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "port: !env_var PORT", {"PORT": "8123"})
        assert document.data["port"] == "8123"
        assert "8123" not in repr(document.data)

    def test_default(self, tmp_path: Path) -> None:
        assert data(tmp_path, "a: !env_var FRAS_NONE some text") == {"a": "some text"}

    def test_an_empty_variable_is_not_a_missing_one(self, tmp_path: Path) -> None:
        assert reading(tmp_path, "a: !env_var X other", {"X": ""}).data == {"a": ""}

    def test_missing(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, "a: !env_var FRAS_NONE").problems
        assert "'FRAS_NONE' is not set; set it, or give a default" in str(problem)

    @pytest.mark.parametrize("value", ["hunter2\nx", "hunter2\udcff"])
    def test_unusable_ones_are_refused_without_showing_them(self, tmp_path: Path, value: str) -> None:
        (problem,) = reading(tmp_path, "a: !env_var X", {"X": value}).problems
        assert "hunter2" not in str(problem)


class TestIncludes:
    def test_lines_point_into_the_included_file(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "a: 1\ncameras: !include cameras.yaml\n", cameras="\n- id: a\n- id: b\n  id: c\n")
        assert document.data["cameras"] == [{"id": "a"}, {"id": "b"}]
        assert document.place(("cameras",)) == ("hub.yaml", 2)
        assert document.place(("cameras", 1, "id")) == ("cameras.yaml", 3)
        assert [(problem.file, problem.line) for problem in document.problems] == [("cameras.yaml", 4)]

    def test_relative_to_the_including_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "one.yaml").write_text("!include two.yaml")
        (tmp_path / "a" / "two.yaml").write_text("x: [")
        (problem,) = reading(tmp_path, "a: !include a/one.yaml").problems
        assert problem.file == str(Path("a", "two.yaml"))

    def test_cycles(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "a: !include x.yaml", x="b: !include y.yaml", y="c: !include x.yaml")
        assert said(document) == ["y.yaml, line 1: !include 'x.yaml': the file includes itself; remove one !include"]
        assert document.data == {"a": {"b": {}}}

    def test_itself(self, tmp_path: Path) -> None:
        assert "includes itself" in said(reading(tmp_path, "a: !include ./hub.yaml"))[0]

    @pytest.mark.parametrize("name", ["none.yaml", ".", '"a\\0b"', "x" * 5000, "/dev/zero"])
    def test_no_such_file(self, tmp_path: Path, name: str) -> None:
        document = reading(tmp_path, f"a: 1\nb: !include {name}\n")
        assert [(problem.file, problem.line) for problem in document.problems] == [("hub.yaml", 2)]
        assert document.data == {"a": 1}

    def test_a_broken_file_is_told_once_and_the_rest_is_read(self, tmp_path: Path) -> None:
        document = reading(tmp_path, "a: !include x.yaml\nb: !include x.yaml\nc: 3", x="k: [")
        assert len(document.problems) == 1
        assert document.data == {"c": 3}

    def test_files_that_include_each_other_many_times_end(self, tmp_path: Path) -> None:
        files = {f"f{n}": "".join(f"k{k}: !include f{n + 1}.yaml\n" for k in range(40)) for n in range(6)}
        document = reading(tmp_path, "a: !include f0.yaml", **files, f6="x: 1")
        assert "more than 100,000 values" in said(document)[-1]


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("text", "line", "says"),
        [
            ("", 1, "the file is empty"),
            ("# only a comment\n", 1, "the file is empty"),
            ("- a\n", 1, "the top level is not a mapping"),
            ("just text", 1, "the top level is not a mapping"),
            ("a: 1\n\tb: 2\n", 2, "a tab character; indent with spaces"),
            ("a: 1\nb: c: d\n", 2, "mapping values are not allowed here"),
            ("a: 1\nb: [1,\n", 3, "ends too early (while parsing a flow node"),
            ("a: 1\nb: 'x\n", 3, "not valid YAML"),
            ("a: *nobody\n", 1, "undefined alias 'nobody'"),
            ("a: 1\n---\nb: 2\n", 2, "a second document"),
            ("a: 1\nb: \x07\n", 2, "a control character"),
            (b"a: 1\nb: M\xfcller\n", 2, "byte 0xfc is not UTF-8; save the file with the encoding UTF-8"),
            ("a: 1".encode("utf-16"), 1, "not UTF-8"),
            ("a: &a [*a]", 1, "nested deeper than 40 levels"),
            ("a: &a {b: *a}", 1, "nested deeper than 40 levels"),
            ("a: &a {<<: *a}", 1, "nested deeper than 40 levels"),
            ("a: " + "[" * 50_000, 1, "nested deeper than 40 levels"),
            ("\n".join("  " * n + "a:" for n in range(60)), 40, "nested deeper than 40 levels"),
            ("a: !!python/object/apply:os.system [ls]", 1, "is not used here"),
            ("a: !!binary eA==", 1, "is not used here"),
            ("a: !secrt x", 1, "'!secrt' is unknown; did you mean '!secret'?"),
            ("a: !secret", 1, "!secret needs a name"),
            ("a: !include [x]", 1, "!include needs a name"),
            ("? [a, b]\n: c", 1, "a key must be plain text"),
            ('"": 1', 1, "a key must be plain text"),
            ("!secret x: 1", 1, "a key must be plain text"),
            ('a: "\\ud800"', 1, "lone surrogate"),
            ('a: "\\U99999999"', 1, "cannot be understood as YAML"),
            ("%YAML 2.0\n---\na: 1", 1, "incompatible YAML document"),
        ],
    )
    def test_each_is_said_with_its_line(self, tmp_path: Path, text: str | bytes, line: int, says: str) -> None:
        (problem,) = reading(tmp_path, text).problems
        assert (problem.file, problem.line) == ("hub.yaml", line)
        assert says in str(problem)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        (problem,) = read(tmp_path / "hub.yaml", {}).problems
        assert str(problem) == "hub.yaml: there is no such file; check the name, or create it"

    def test_a_folder(self, tmp_path: Path) -> None:
        (problem,) = read(tmp_path, {}).problems
        assert "not a file" in problem.message

    def test_a_huge_file(self, tmp_path: Path) -> None:
        assert "larger than 1,000,000 bytes" in said(reading(tmp_path, "a: " + "x" * 1_000_000))[0]

    def test_a_billion_laughs_end(self, tmp_path: Path) -> None:
        laughs = "a0: &a0 [ha, ha]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
        )
        assert "more than 100,000 values" in said(reading(tmp_path, laughs))[0]

    def test_a_byte_order_mark_is_no_problem(self, tmp_path: Path) -> None:
        assert reading(tmp_path, "﻿a: 1").data == {"a": 1}

    def test_control_characters_of_keys_do_not_reach_the_terminal(self, tmp_path: Path) -> None:
        (problem,) = reading(tmp_path, '"a\\e[31m\\n": 1\n"a\\e[31m\\n": 2').problems
        assert str(problem).isprintable()


PIECES = (
    *(
        "a",
        "b:",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "<<: ",
        "'",
        '"',
        "#",
        "? ",
        "%",
        "~",
        "!",
        "@",
        "`",
    ),
    *(
        "!secret s",
        "!include hub.yaml",
        "!include x.yaml",
        "!env_var E d",
        "!!int ",
        "!<x> ",
        "1",
        "9:30",
        "true",
        "0x",
    ),
    *("\n", "\n  ", "|\n", ">\n", "---\n", "...\n", "\t", "\\", "\ufeff", "\x85", "ü", "\u2028", "1e9"),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text() | st.binary(max_size=40))
def test_no_text_makes_reading_fail_and_every_problem_has_file_and_line(tmp_path: Path, text: str | bytes) -> None:
    document = reading(tmp_path, text, {"E": "e"}, secrets="s: hunter2", x="- 1\n- 2\n")
    assert document.problems or document.data is not None
    for problem in document.problems:
        assert problem.file in ("hub.yaml", "x.yaml")
        assert problem.line >= 1
        assert problem.message
        assert problem.hint
        assert str(problem).isprintable()
        assert "hunter2" not in str(problem)
