"""How problems and secrets are printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import Invalid, Place, Problem, Secret, Severity, format_problems, nearest, suggestion
from config.secret import redact

LATER = Problem(Place("hub.yaml", 9), "b is wrong", "mend it")
EARLIER = Problem(Place("hub.yaml", 2), "a looks odd", severity=Severity.WARNING)
OTHER = Problem(Place("cameras.yaml", 1), "c is wrong", "mend it")


def test_a_line_each_by_file_and_line() -> None:
    assert format_problems([LATER, OTHER, EARLIER]).splitlines() == [
        "hub.yaml, line 2: warning: a looks odd",
        "hub.yaml, line 9: b is wrong; mend it",
        "cameras.yaml, line 1: c is wrong; mend it",
    ]


def test_a_file_as_a_whole_has_no_line() -> None:
    assert str(Problem(Place("hub.yaml", 0), "there is no such file")) == "hub.yaml: there is no such file"


def test_the_same_problem_is_said_once() -> None:
    assert Invalid([LATER, LATER]).problems == (LATER,)
    assert str(Invalid([LATER])) == str(LATER)


@given(st.text())
def test_nothing_reaches_the_terminal_but_printable_text(text: str) -> None:
    assert str(Problem(Place("hub.yaml", 1), text, text)).isprintable()


@pytest.mark.parametrize(("name", "near"), [("pth", "path"), ("PATH", "path"), ("xyz", None), ("", None)])
def test_nearest(name: str, near: str | None) -> None:
    assert nearest(name, ["path", "mode", "every"]) == near


def test_without_a_near_one_the_choice_is_listed() -> None:
    assert suggestion("xyz", ["path", "mode"]) == "there is mode, path"
    assert suggestion("xyz", ["path", "mode"], "look it up") == "look it up"
    assert suggestion("xyz", []) == ""


@given(st.text(min_size=4), st.text(), st.text())
def test_a_secret_is_masked_wherever_it_stands(secret: str, before: str, after: str) -> None:
    for shown in (secret, repr(secret)[1:-1]):
        masked = redact(before + shown + after, [secret])
        assert secret not in masked.replace("***", "") or secret in (before + after)


def test_masking() -> None:
    assert redact("it is HUNTER2!", ["hunter2"]) == "it is ***!"
    assert redact("a 'b\\n' c", ["b\n"]) == "a '***' c"
    assert redact("expected x, got x1 and ex", ["x"]) == "expected ***, got x1 and ex"
    assert redact("text", [""]) == "text"


def test_a_secret_shows_nowhere_but_is_text() -> None:
    secret = Secret("hunter2")
    assert secret == "hunter2"
    assert f"{secret}" == "hunter2"
    assert repr(secret) == repr({"a": secret}["a"]) == "'***'"
