"""People on the command line: names that are no markup, consent with its consequences, five thousand at once."""

from __future__ import annotations

from time import perf_counter

import pytest

from tests.support.facts import asked
from tests.support.fras import School

NASTY = {
    "markup": "[red]Ada[/] [link=http://x]",
    "escape": "\x1b[2J\x1b]0;title\x07Bob",
    "lines": "Cem\nroot granted",
    "turned": "Dee \u202egnp.exe",
    "emoji": ":smile: Eve",
    "quotes": "Fay \"'`$(reboot)",
}


def test_names_are_neither_markup_nor_escape_sequences(school: School) -> None:
    for person, name in NASTY.items():
        assert school.fras("people", "add", person, "--name", name).code == 0
    out = school.fras("people", "list").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 1 + len(NASTY), "a line each"
    for shown in ("[red]Ada[/] [link=http://x]", r"\x1b[2J", r"Cem\nroot granted", ":smile: Eve", "Fay \"'`$(reboot)"):
        assert shown in out
    for person, name in NASTY.items():
        answer = school.fras("people", "show", person)
        assert answer.code == 0
        assert "\x1b" not in answer.out
        assert school.fras("people", "show", person, "--json").lines[0]["name"] == name


def test_names_in_any_script_are_shown_as_they_are(school: School) -> None:
    names = ["山田\u3000太郎", "نیما می\u200cخواهد", "Renée\u00a0Müller", "Łukasz O’Neill", "Ἀρχιμήδης"]
    for number, name in enumerate(names):
        school.fras("people", "add", f"p{number}", "--name", name)
    out = school.fras("people", "list").out
    assert all(name in out for name in names)


def test_adding_again_changes_only_what_is_said(school: School) -> None:
    school.fras("people", "add", "ada", "--name", "Ada Lovelace")
    answer = school.fras("people", "add", "ada", "--class", "10A")
    assert "Ada Lovelace (ada) is entered; consent is pending" in answer.err
    shown = school.fras("people", "show", "ada", "--json").lines[0]
    assert (shown["name"], shown["class"], shown["consent"], shown["images"]) == ("Ada Lovelace", "10A", "pending", 0)


@pytest.mark.parametrize("person", ["", "  "])
def test_an_id_that_is_none_is_said(school: School, person: str) -> None:
    answer = school.fras("people", "add", person, "--name", "Nobody")
    assert answer.code == 1
    assert "cannot be added" in answer.err
    assert "fault of FRAS" not in answer.err


def test_somebody_unknown_is_said(school: School) -> None:
    school.fras("people", "add", "ada")
    for words in (("show", "eve"), ("remove", "eve"), ("consent", "eve", "granted", "--signed-by", "x")):
        answer = school.fras("people", *words)
        assert answer.code == 1
        assert "nobody has the id 'eve'; fras people list shows everybody" in answer.err


def test_consent_is_somebodys(school: School) -> None:
    school.fras("people", "add", "ada")
    assert school.fras("people", "consent", "ada", "granted", "--signed-by", " ").code == 2
    assert "nobody can sign 'pending'" in school.fras("people", "consent", "ada", "pending", "--signed-by", "x").err
    school.fras("people", "consent", "ada", "granted", "--signed-by", "a parent", "--notice", "2026-1")
    shown = school.fras("people", "show", "ada", "--json").lines[0]
    (event,) = shown["events"]
    assert (shown["consent"], event["signer"], event["state"], event["notice"]) == (
        "granted",
        "a parent",
        "granted",
        "2026-1",
    )
    assert "granted signed by a parent, notice 2026-1" in school.fras("people", "show", "ada").out


def test_before_anybody_is_enrolled_the_next_step_is_said(school: School) -> None:
    answer = school.fras("people", "list")
    assert answer.code == 1
    assert answer.err.endswith(" yet; start the hub once with fras run\n")


def test_five_thousand_people_are_listed_in_no_time(school: School) -> None:
    school.fras("people", "add", "ada")
    asked(
        school.folder,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "INSERT INTO people SELECT 'p' || i, school_id, 'Name ' || i, '10A', created_at FROM people, n",
    )
    asked(
        school.folder,
        "INSERT INTO consent_events (person, signer, state, at, notice_version) "
        "SELECT id, 'x', 'granted', '2026-01-01 00:00:00.000000', '' FROM people",
    )
    start = perf_counter()
    assert len(school.fras("people", "list").out.splitlines()) == 5002
    assert len(school.fras("people", "list", "--json").lines) == 5001
    assert school.fras("people", "show", "p77").code == 0
    assert perf_counter() - start < 10
