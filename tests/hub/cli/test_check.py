"""`fras check`, `plugins` and `models`: calm words, exit codes, JSON."""

from __future__ import annotations

import json

import pytest

from hub.failure import Failure
from tests.support.fras import School


def configure(school: School, old: str, new: str) -> int:
    """Answers the line that was changed."""
    file = school.folder / "hub.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    return text.partition(old)[0].count("\n") + 1


def test_a_good_configuration_is_fine(school: School) -> None:
    answer = school.fras("check")
    assert (answer.code, answer.out) == (0, "")
    assert "hub.yaml is fine" in answer.err
    assert school.fras("check", "--json").out == ""


def test_every_error_is_said_with_its_line_and_nothing_else_happens(school: School) -> None:
    camera = configure(school, "mode: once", "mod: once")
    lecture = configure(school, '"09:50"', '"25:50"')
    answer = school.fras("check")
    assert answer.code == 1
    assert answer.err == ""
    first, second = answer.out.splitlines()
    assert f"line {camera}:" in first
    assert "mode" in first
    assert f"line {lecture}:" in second
    assert not (school.folder / "data").exists()
    lines = school.fras("check", "--json").lines
    assert [(line["line"], line["severity"]) for line in lines] == [(camera, "error"), (lecture, "error")]
    assert all(set(line) == {"file", "line", "severity", "message", "hint"} for line in lines)


@pytest.mark.parametrize(
    ("pack", "said"),
    [("dlibb", "there is no model pack 'dlibb'; set recogn"), ("./packs/mine", "it has no pack.yaml; ")],
)
def test_a_model_that_is_nowhere_is_an_error(school: School, pack: str, said: str) -> None:
    line = configure(school, "platform: colours", f"platform: onnx_local, pack: {pack}")
    answer = school.fras("check")
    assert (answer.code, answer.err) == (1, "")
    (problem,) = answer.out.splitlines()
    assert f"hub.yaml, line {line}: Invalid config for 'onnx_local': " in problem
    assert said in problem
    assert not (school.folder / "data").exists()


def test_a_model_that_is_not_installed_is_an_error_that_connects_or_not(school: School) -> None:
    line = configure(school, "platform: colours", "platform: onnx_local, pack: opencv_zoo")
    (school.folder / "incoming" / "one.jpg").touch()
    for words in (("check",), ("check", "--connect")):
        answer = school.fras(*words)
        assert answer.code == 1
        problem = answer.out.splitlines()[0]
        assert problem.startswith(
            f"hub.yaml, line {line}: Invalid config for 'onnx_local': model opencv_zoo is not install"
        )
        assert problem.endswith("missing; run `fras models install opencv_zoo`")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("platform: local_disk", "platform: s3, bucket: crops", "neither region nor endpoint is given; write storage:"),
        (
            'platform: folder, id: door, room: "101", path: incoming, mode: once',
            'platform: http_snapshot, id: door, room: "101", url: "http://camera/x.jpg", password: hunter2',
            "http://camera/… has a password and no user; write `user`, too",
        ),
    ],
)
def test_options_that_do_not_go_together_are_an_error(school: School, old: str, new: str, said: str) -> None:
    line = configure(school, old, new)
    answer = school.fras("check")
    assert (answer.code, answer.err) == (1, "")
    (problem,) = answer.out.splitlines()
    assert problem.startswith(f"hub.yaml, line {line}: Invalid config for ")
    assert said in problem
    assert "hunter2" not in answer.out


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("url", "fact", "hint"),
    [
        ("postgresql://fras:hun@ter2@db/fras", "that is not a database URL", "%40 for an @ in the password"),
        ("postgresql://fras:hunter2@db:99999/fras", "that is not a database URL", "postgresql://USER:PASSWORD@HOST"),
        (
            "postgresql://fras:hunter2@db/fras?pass=hunter2",
            "?pass= in the database's URL is not known",
            "user and pass",
        ),
    ],
)
def test_a_database_that_cannot_be_one_is_an_error_before_anything_is_asked(
    school: School, url: str, fact: str, hint: str
) -> None:
    configure(school, "hub: {", f'hub: {{database: "{url}", ')
    answer = school.fras("check")
    assert (answer.code, answer.err) == (1, "")
    (problem,) = answer.out.splitlines()
    assert problem.startswith(f"hub.yaml: Invalid config for 'hub': {fact}, check hub->database; ")
    assert hint in problem
    assert "ter2" not in problem


@pytest.mark.sqlite
def test_services_that_work_do_not_hide_a_problem(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    (school.folder / "incoming" / "one.jpg").touch()
    assert school.fras("check", "--connect").code == 0
    monkeypatch.setattr("hub.cli.check.misnamed", lambda url: Failure("that is no URL", hint="write one"))
    answer = school.fras("check", "--connect")
    assert ("fails" in answer.out, answer.code) == (False, 1)


def test_a_warning_is_no_error(school: School) -> None:
    configure(school, "time_zone: Europe/Berlin", "time_zone: Europe/Berlin, jurisdiction: eu")
    answer = school.fras("check")
    (line,) = school.fras("check", "--json").lines
    assert line["severity"] == "warning"
    assert answer.code == 0
    assert "warning" in answer.out
    assert "hub.yaml is fine, with warnings" in answer.err


def test_a_missing_file_is_said(school: School) -> None:
    (school.folder / "hub.yaml").unlink()
    answer = school.fras("check")
    assert answer.code == 1
    assert "hub.yaml" in answer.out
    assert "Traceback" not in answer.out + answer.err


def test_the_schema_is_json(school: School) -> None:
    answer = school.fras("check", "--schema")
    schema = json.loads(answer.out)
    assert {"hub", "cameras", "recognizer", "storage"} <= set(schema["properties"])


def test_plugins_are_listed(school: School) -> None:
    found = {(line["kind"], line["name"]) for line in school.fras("plugins", "--json").lines}
    assert {("camera", "folder"), ("recognizer", "colours"), ("recognizer", "onnx_local")} <= found
    answer = school.fras("plugins")
    assert "local_disk" in answer.out


def test_a_broken_plugin_is_named_beside_the_good_ones(school: School) -> None:
    from tests.support.distributions import install

    install(school.site, "fras-broken", "fras_broken_by_a_typo", "import no_such_library_at_all")
    answer = school.fras("plugins", "--json")
    assert answer.code == 1
    assert "fras_broken_by_a_typo" in answer.err
    assert any(line["name"] == "folder" for line in answer.lines)


def test_a_recogniser_without_models_has_none(school: School) -> None:
    assert (school.fras("models", "list", "--json").code, school.fras("models", "list", "--json").out) == (0, "")
    answer = school.fras("models", "verify")
    assert answer.code == 0
    assert "no model is built yet" in answer.err
    answer = school.fras("models", "install", "opencv_zoo")
    assert (answer.code, "no recogniser of hub.yaml fetches models" in answer.err) == (1, True)
