"""Names of people in any script and with any character, from their folder to every form of the register."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.fras import School, save

NINE = datetime(2026, 11, 16, 9, 3, tzinfo=ZoneInfo("Europe/Berlin"))
NAMES = {
    "ada": "陳大文 \N{SLIGHTLY SMILING FACE}",
    "bob": 'O\'Brien "Bob", jr.; [bold]x :smile:',
    "cem": "new\nline\x1b[31m\u2028\u202e",
    "dee": "=cmd|'calc'!A0",
    "eve": "back\\slash %s {0}",
    "fay": "محمد Ζωή Зоя",
}


@pytest.fixture
def named(school: School) -> School:
    """Six people whose folders have these names, seen in one frame."""
    for colour, name in NAMES.items():
        folder = school.folder / "people" / name
        folder.mkdir(parents=True)
        for number in range(2):
            save(folder / f"{number}.png", colour, brightness=-3 * number)
    answer = school.fras("enroll", str(school.folder / "people"), "--consent", "granted", "--signed-by", "Müller\n[x]")
    assert answer.code == 0, answer.err
    for name in NAMES.values():
        assert school.fras("people", "add", name, "--class", "10A").code == 0
    school.frame("f.png", NINE, *NAMES)
    answer = school.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    return school


def test_every_name_is_what_it_was_in_json_and_csv_and_harmless_on_a_terminal(
    named: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = named.fras("identify", "--json", str(named.folder / "incoming")).lines[0]
    assert [face["person"] for face in found["faces"]] == list(NAMES.values())
    register = ("attendance", "--date", "2026-11-16")
    lines = named.fras(*register, "--json").lines
    assert {line["person"]: line["status"] for line in lines} == dict.fromkeys(NAMES.values(), "present")
    rows = csv.DictReader(io.StringIO(named.fras(*register, "--format", "csv").out.removeprefix("\ufeff"), newline=""))
    assert {row["person"].removeprefix("'") for row in rows} == set(NAMES.values())
    monkeypatch.setenv("COLUMNS", "200")
    for shown in (
        named.fras(*register).out,
        named.fras("people", "list").out,
        named.fras("people", "show", NAMES["cem"]).out,
        named.fras("identify", str(named.folder / "incoming")).out,
    ):
        assert "new\\nline\\x1b[31m\\u2028\\u202e" in shown
        assert not any(char in shown for char in "\x1b\u2028\u202e")
    listed = named.fras("people", "list").out
    assert all(NAMES[colour] in listed for colour in ("ada", "bob", "dee", "eve", "fay"))


def test_a_register_fits_forty_columns(named: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    title, *table = named.fras("attendance", "--date", "2026-11-16").out.splitlines()
    assert "Mathematics" in title
    assert "present" in " ".join(table)
    assert max(map(len, table)) <= 40


@pytest.mark.parametrize(
    "words",
    [
        ["add", "\udcff"],
        ["add", "zoe", "--name", "\udcff"],
        ["add", "zoe", "--class", "\udcff"],
        ["show", "\udcff"],
        ["remove", "\udcff"],
        ["consent", "\udcff", "granted", "--signed-by", "x"],
    ],
)
def test_what_is_no_text_cannot_be_anybody(school: School, words: list[str]) -> None:
    answer = school.fras("people", *words)
    assert answer.code == 2
    assert "not text" in answer.err


@pytest.mark.parametrize("signer", ["\udcff", " "])
@pytest.mark.parametrize(
    "words", [["people", "consent", "ada", "granted"], ["enroll", "people", "--consent", "granted"]]
)
def test_nobody_signs_with_what_is_no_name(school: School, words: list[str], signer: str) -> None:
    answer = school.fras(*words, "--signed-by", signer)
    assert answer.code == 2
    assert "--signed-by" in answer.err


def test_a_folder_whose_name_is_no_text_is_said_before_anybody_is_entered(school: School) -> None:
    folder = school.portraits("ada")
    Path(f"{folder}/caf\udce9").mkdir()
    answer = school.fras("enroll", str(folder), "--consent", "granted", "--signed-by", "x")
    assert answer.code == 1
    assert "caf\\udce9 has a name that nobody can write; rename it to the person's id" in answer.err
