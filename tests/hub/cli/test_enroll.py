"""`fras enroll` on the command line: what it says, in words and in JSON, is what is so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.support.fras import Answer, School, save

GRANTED = ("--consent", "granted", "--signed-by", "a parent")


def portraits(school: School, **shown: list[str]) -> Path:
    """A folder a person; each picture shows somebody, a shade of their own."""
    number = 0
    for person, pictures in shown.items():
        place = school.folder / "portraits" / person
        place.mkdir(parents=True, exist_ok=True)
        for one in pictures:
            number += 1
            save(place / f"{number}.png", *filter(None, [one]), brightness=-number)
    return school.folder / "portraits"


def last_words(answer: Answer) -> tuple[dict[str, tuple[str, str | None]], dict[str, int]]:
    """The last line about each file and each person."""
    images = {Path(line["path"]).stem: (line["state"], line["reason"]) for line in answer.lines if "path" in line}
    return images, {line["person"]: line["images"] for line in answer.lines if "template" in line}


def test_without_consent_people_are_pending(school: School) -> None:
    answer = school.fras("enroll", str(portraits(school, ada=["ada"])))
    assert answer.code == 1
    assert "ada: consent is pending, so there is no template" in answer.err
    assert "record consent with: fras enroll DIR --consent granted --signed-by NAME" in answer.err
    assert school.fras("enroll", str(school.folder / "portraits"), "--consent", "granted").code == 2


def test_words_and_json_say_the_same_and_once_more(school: School) -> None:
    folder = str(portraits(school, ada=["ada", "ada", "bob"], bob=["bob", ""]))
    answer = school.fras("enroll", folder, *GRANTED, "--json")
    assert answer.code == 0
    images, people = last_words(answer)
    assert people == {"ada": 2, "bob": 1}
    assert images == {
        "1": ("accepted", None),
        "2": ("accepted", None),
        "3": ("refused", "it looks like somebody else: bob"),
        "4": ("accepted", None),
        "5": ("refused", "there is no face in it"),
    }
    assert "2 people with a template; portraits: 3 accepted, 2 refused, 0 judged before" in answer.err
    again = school.fras("enroll", folder)
    assert again.code == 0
    assert "3.png: refused: it looks like somebody else: bob" in again.err
    assert "2 people with a template; portraits: 0 accepted, 2 refused, 3 judged before" in again.err
    assert Counter(line["state"] for line in school.fras("enroll", folder, "--json").lines if "state" in line) == {
        "known": 3,
        "refused": 3,
    }, "the picture of somebody else is spoken of twice, the last word counts"


def test_whoever_has_no_good_picture_is_named(school: School) -> None:
    answer = school.fras("enroll", str(portraits(school, ada=["ada"], bob=[""])), *GRANTED)
    assert answer.code == 1
    assert "bob: no template, for no picture serves; add better ones and enrol again" in answer.err


def test_withdrawing_for_a_whole_folder_deletes_every_picture(school: School) -> None:
    folder = str(portraits(school, ada=["ada", "ada"], bob=["bob"]))
    assert school.fras("enroll", folder, *GRANTED).code == 0
    data = school.folder / "data"
    assert len(list(data.rglob("portraits/*.jpg"))) == 3
    answer = school.fras("enroll", folder, "--consent", "withdrawn", "--signed-by", "a parent")
    assert answer.code == 1
    assert "ada: consent is withdrawn, so there is no template" in answer.err
    assert list(data.rglob("portraits/*.jpg")) == []
    assert {line["images"] for line in school.fras("people", "list", "--json").lines} == {0}
    assert school.fras("enroll", folder, *GRANTED, "--json").code == 0
    assert len(list(data.rglob("portraits/*.jpg"))) == 3


def test_a_folder_that_is_none_is_said(school: School) -> None:
    answer = school.fras("enroll", str(school.folder / "nowhere"), *GRANTED)
    assert answer.code == 1
    assert "is not a folder; give the folder that holds" in answer.err
