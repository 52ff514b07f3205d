"""From portraits and frames to a register, on the command line."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.facts import asked
from tests.support.fras import School


def statuses(school: School) -> dict[str, str]:
    answer = school.fras("attendance", "--date", "2026-11-16", "--json")
    assert answer.code == 0, answer.err
    return {line["person"]: line["status"] for line in answer.lines}


@pytest.mark.smoke
def test_a_folder_of_frames_becomes_a_register(filmed: School) -> None:
    assert statuses(filmed) == {
        "ada": "present",
        "bob": "late",
        "cem": "absent",
        "dee": "not observed",
        "eve": "not observed",
    }
    line = next(
        line for line in filmed.fras("attendance", "--date", "2026-11-16", "--json").lines if line["person"] == "bob"
    )
    assert line["minutes"] == 19
    assert "09:19 at door" in line["why"]


def test_a_second_run_over_the_same_folder_counts_nothing_twice(filmed: School) -> None:
    before = filmed.fras("attendance", "--date", "2026-11-16", "--json").out
    answer = filmed.fras("run", "--until-done")
    assert "frames: none" in answer.err
    assert filmed.fras("attendance", "--date", "2026-11-16", "--json").out == before


def audited(school: School, *options: str) -> tuple[int, int]:
    """The exit code, and how many days were not the same: today may be a day of lectures, too."""
    answer = school.fras("audit", "verify", *options)
    days, same = re.findall(r"^(\d+) days .*, (\d+) the same byte for byte$", answer.err, re.MULTILINE)[-1]
    assert int(days) > 0, answer.err
    return answer.code, int(days) - int(same)


def test_dropping_and_rebuilding_gives_the_same_bytes(filmed: School) -> None:
    assert audited(filmed) == (0, 0)
    assert audited(filmed, "--rebuild") == (0, 0)


def test_an_altered_mark_is_found(filmed: School) -> None:
    asked(filmed.folder, "UPDATE marks SET status = 'present' WHERE person = 'cem'")
    answer = filmed.fras("audit", "verify")
    assert answer.code == 1
    assert "2026-11-16: the stored register is not what the facts say now" in answer.err


def test_days_drawn_by_other_settings_are_said_apart_until_they_are_rebuilt(filmed: School) -> None:
    file = filmed.folder / "hub.yaml"
    file.write_text(file.read_text().replace("attendance:\n", "attendance:\n  late_after: 30 min\n"))
    answer = filmed.fras("audit", "verify")
    assert answer.code == 0, answer.err
    assert "days were drawn by other rules or settings than those of now, and are not compared" in answer.err
    code, changed = audited(filmed, "--rebuild")
    assert (code, changed > 0) == (0, True)
    assert statuses(filmed)["bob"] == "present"
    assert audited(filmed) == (0, 0)


def test_a_register_keeps_its_timetable_until_it_is_replanned(filmed: School) -> None:
    file = filmed.folder / "hub.yaml"
    before = filmed.fras("attendance", "--date", "2026-11-16", "--json").out
    file.write_text(file.read_text().replace("lecture: Mathematics", "lecture: Art"))
    answer = filmed.fras("attendance", "--date", "2026-11-16", "--json")
    assert answer.out == before
    assert "fras audit verify --rebuild --replan" in answer.err
    assert filmed.fras("audit", "verify").code == 0
    assert filmed.fras("audit", "verify", "--replan").code == 2
    assert filmed.fras("audit", "verify", "--rebuild", "--replan").code == 0
    answer = filmed.fras("attendance", "--date", "2026-11-16", "--lecture", "Art", "--json")
    assert (answer.code, len(answer.lines), "--replan" in answer.err) == (0, 5, False)


def test_nothing_is_kept_of_people_without_consent(filmed: School) -> None:
    crops = list((filmed.folder / "data").rglob("crops/*/*.jpg"))
    assert len(crops) == 3, "ada twice, bob once: nobody else"
    answer = filmed.fras("people", "list", "--json")
    images = {line["person"]: line["images"] for line in answer.lines}
    assert images == {"ada": 2, "bob": 2, "cem": 2, "dee": 0, "eve": 0}


def test_csv_neutralises_formulas(filmed: School) -> None:
    filmed.fras("people", "add", "mal", "--name", "=HYPERLINK(1)")
    text = filmed.fras("attendance", "--date", "2026-11-16", "--format", "csv").out
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert {row["name"] for row in rows if row["person"] == "mal"} == {"'=HYPERLINK(1)"}


def test_xlsx_opens(filmed: School, tmp_path: Path) -> None:
    target = tmp_path / "register.xlsx"
    filmed.fras("attendance", "--date", "2026-11-16", "--format", "xlsx", "-o", str(target))
    with ZipFile(target) as book:
        assert "not seen; the cameras watched" in book.read("xl/sharedStrings.xml").decode()
    answer = filmed.fras("attendance", "--date", "2026-11-16", "--format", "xlsx", "-o", str(tmp_path / "no" / "where"))
    assert (answer.code, "where cannot be written: No such file or directory; choose another" in answer.err) == (
        1,
        True,
    )


def test_a_lecture_that_was_not_held_is_said(filmed: School) -> None:
    answer = filmed.fras("attendance", "--date", "2026-11-16", "--lecture", "Physics")
    assert answer.code == 1
    assert "no lecture 'Physics' on 2026-11-16; that day's lectures: Mathematics" in answer.err


def test_a_date_that_is_none_is_said(school: School) -> None:
    school.enrol("ada")
    answer = school.fras("attendance", "--date", "16.11.2026")
    assert answer.code == 1
    assert "is not a date; write it as 2026-11-22" in answer.err


def test_withdrawal_ends_recognition_and_deletes_pictures(filmed: School) -> None:
    answer = filmed.fras("people", "consent", "ada", "withdrawn", "--signed-by", "ada")
    assert "consent for ada is now withdrawn" in answer.err
    found = filmed.fras("identify", str(filmed.folder / "incoming" / "f004.png"), "--json").lines[0]
    assert [face["person"] for face in found["faces"]] == [None, None]
    assert all(c["person"] != "ada" for face in found["faces"] for c in face["candidates"])
    assert len(list((filmed.folder / "data").rglob("crops/*/*.jpg"))) == 1
    assert len(list((filmed.folder / "data").rglob("portraits/*.jpg"))) == 4


def test_removal_leaves_no_trace_of_the_id(filmed: School) -> None:
    assert filmed.fras("people", "remove", "ada").code == 0
    assert filmed.fras("people", "show", "ada").code == 1
    assert "ada" not in statuses(filmed)
