"""Options against a schema: every problem, in words, and what is valid besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol

from config import Checked, check, format_problems, read
from tests.support.platforms import SCHEMAS, no_friday

RTSP = SCHEMAS["camera", "rtsp"]


def checked(folder: Path, text: str, schema: dict[Any, Any] = RTSP, secrets: str = "") -> Checked:
    """The section `cam:` of a file whose first line is `cam:`."""
    (folder / "hub.yaml").write_text("cam:\n" + text, encoding="utf-8")
    (folder / "secrets.yaml").write_text(secrets or "none: x", encoding="utf-8")
    document = read(folder / "hub.yaml", {})
    return check(document, schema, document.data.get("cam"), ("cam",), "rtsp")


def said(folder: Path, text: str, schema: dict[Any, Any] = RTSP, secrets: str = "") -> list[str]:
    return format_problems(checked(folder, text, schema, secrets).problems).splitlines()


def test_valid_options_come_with_defaults(tmp_path: Path) -> None:
    found = checked(tmp_path, "  path: x", SCHEMAS["camera", "folder"])
    assert found == Checked({"path": "x", "mode": "watch"})
    assert found.fine


def test_every_problem_is_said_with_its_line(tmp_path: Path) -> None:
    assert said(tmp_path, "  prt: 1\n  audio: yes\n  port: x\n") == [
        "hub.yaml, line 1: Invalid config for 'rtsp': the required option 'url' is missing, check cam; "
        "add a line `url: ...`",
        "hub.yaml, line 2: Invalid config for 'rtsp': 'prt' is an invalid option, check cam->prt; did you mean 'port'?",
        "hub.yaml, line 3: Invalid config for 'rtsp': expected true or false for 'audio', got 'yes', "
        "check cam->audio; write true or false",
        "hub.yaml, line 4: Invalid config for 'rtsp': expected a whole number for 'port', got 'x', check cam->port",
    ]


def test_a_misspelt_required_option_is_one_problem(tmp_path: Path) -> None:
    assert said(tmp_path, "  urll: x") == [
        "hub.yaml, line 2: Invalid config for 'rtsp': 'urll' is an invalid option, check cam->urll; did you mean 'url'?"
    ]


def test_an_option_like_no_other_is_told_what_there_is(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "  url: x\n  zzzzzz: 1")
    assert line.endswith("check cam->zzzzzz; there is audio, crop, format, odd, password, port, transport, url")


def test_nested_options_are_suggested_where_they_belong(tmp_path: Path) -> None:
    lines = said(tmp_path, "  url: x\n  crop:\n    lfet: 1\n    zones:\n      - name: a\n      - nam: b\n")
    assert len(lines) == 2
    assert lines[0].startswith("hub.yaml, line 4: ")
    assert lines[0].endswith("check cam->crop->lfet; did you mean 'left'?")
    assert lines[1].startswith("hub.yaml, line 7: ")
    assert lines[1].endswith("check cam->crop->zones->1->nam; did you mean 'name'?")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("  url: x\n  format: 1.10", 'put it in quotes: "1.10"'),
        ("  url: x\n  format: true", 'put it in quotes: "true"'),
        ("  url: x\n  password: 4711", "put it in quotes"),
        ('  url: x\n  port: "80"', "remove the quotes"),
        ("  url: x\n  crop: 3", "write lines of `key: value` below it"),
        ("  url: x\n  crop: {left: 1, zones: 3}", "begin each entry with a dash"),
        ("  url:", "write one, or remove the line"),
    ],
)
def test_hints(tmp_path: Path, text: str, hint: str) -> None:
    (line,) = said(tmp_path, text)
    assert line.rpartition("; ")[2] == hint


def test_a_choice_is_suggested(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "  path: x\n  mode: lop", SCHEMAS["camera", "folder"])
    assert line.endswith("did you mean 'loop'?")


def test_a_section_that_is_none(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "  - 1")
    assert line.endswith("Invalid config for 'rtsp': expected options; write lines of `key: value` below it")


def test_what_is_valid_stays_when_the_rest_is_not(tmp_path: Path) -> None:
    found = checked(tmp_path, "  port: 5\n  audio: 7\n  bogus: 1\n")
    assert found.values == {"port": 5}
    assert len(found.problems) == 3


def test_a_validator_that_breaks_is_the_authors_problem(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "  url: x\n  odd: hunter2")
    assert "its options cannot be checked (RuntimeError)" in line
    assert "hunter2" not in line


def test_what_could_not_be_read_is_no_further_problem(tmp_path: Path) -> None:
    assert said(tmp_path, "  url: !secret gone\n  odd: !secret gone") == []
    assert said(tmp_path, "  url: !secret gone\n  odd: 1") == []


class TestSecrets:
    def test_a_message_that_quotes_a_secret_changed_is_withheld(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, "  url: x\n  password: !secret pw", secrets="pw: blackfriday")
        assert "the value that !secret or !env_var gives is not valid for 'password'" in line
        assert "friday" not in line.lower()

    def test_a_message_about_another_value_is_redacted(self, tmp_path: Path) -> None:
        def whole(options: Any) -> Any:
            raise vol.Invalid(f"{options['url']} and {options['pw']!s} do not fit")

        schema = {vol.Required("deep"): vol.All({"url": str, "pw": str}, whole)}
        (line,) = said(tmp_path, "  deep: {url: door, pw: !secret pw}", schema, "pw: Hunter2")
        assert "door and *** do not fit" in line

    @pytest.mark.parametrize("kind", [int, bool, float, vol.In(["a"]), vol.Range(min=5), vol.Url(), vol.Match("^a$")])
    def test_messages_of_ordinary_validators_stay(self, tmp_path: Path, kind: Any) -> None:
        (line,) = said(tmp_path, "  url: !secret pw", {"url": kind}, "pw: hunter2")
        assert "hunter2" not in line
        assert "for 'url', check cam->url" in line

    def test_options_of_which_only_one_may_stand(self, tmp_path: Path) -> None:
        exclusive = {
            vol.Exclusive("key", "login", msg="key and token together; write one of them"): str,
            vol.Exclusive("token", "login", msg="key and token together; write one of them"): str,
        }
        (line,) = said(tmp_path, "  key: a\n  token: b", exclusive)
        assert line.endswith(": key and token together, check cam; write one of them")

    @pytest.mark.parametrize(
        "written", ["https://ada:hunter2@store", "https://ada:a/hunter2@b", "https://store/?key=hunter2"]
    )
    def test_a_password_in_the_url_of_a_service_is_not_repeated(self, tmp_path: Path, written: str) -> None:
        (line,) = said(tmp_path, f"  endpoint: {written}", {"endpoint": int})
        assert "hunter2" not in line
        assert "'endpoint'" in line

    def test_a_literal_password_is_not_repeated_either(self, tmp_path: Path) -> None:
        (line,) = said(tmp_path, "  url: x\n  password: 4711", {"url": str, "password": vol.All(str, no_friday)})
        assert "4711" not in line
