"""The folder of portraits that `fras enroll` reads: `DIR/<person id>/*.jpg` and an optional `people.csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from hub.failure import Failure
from hub.plugin import media

PEOPLE = "people.csv"
COLUMNS = ("id", "name", "class")


@dataclass(frozen=True, slots=True)
class Pupil:
    """One person to enrol. `id` is the folder's name; `name` and `class_name` come from people.csv, if at all."""

    id: str
    name: str
    class_name: str | None
    portraits: tuple[Path, ...]


def read_pupils(folder: Path) -> list[Pupil]:
    """Everybody below `folder` in order of id: those with a folder of portraits and those only in people.csv.

    Raises Failure when there is no such folder, nobody in it, or people.csv cannot be understood.
    """
    if not folder.is_dir():
        raise Failure(f"{folder} is not a folder", hint="give the folder that holds one folder of portraits a person")
    listed = _listed(folder / PEOPLE)
    folders = {entry.name: entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if not folders and not listed:
        raise Failure(f"nobody in {folder}", hint="put each person's pictures into a folder named with the person's id")
    pupils = []
    for person in sorted({*folders, *listed}):
        name, class_name = listed.get(person, (person, None))
        portraits = tuple(media.walk(folders[person])) if person in folders else ()
        pupils.append(Pupil(person, name, class_name, portraits))
    return pupils


def _listed(path: Path) -> dict[str, tuple[str, str | None]]:
    """Names and classes by id; UTF-8 with or without a byte order mark, comma or semicolon."""
    if not path.exists():
        return {}
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise Failure(
            f"{path} is not UTF-8 (byte {problem.start})", hint="save it as 'CSV UTF-8' from your office program"
        ) from None
    heading = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in heading else ",", strict=True)
    missing = {"id", "name"} - set(rows.fieldnames or ())
    if missing:
        raise Failure(
            f"{path}, line 1: no column {' and no column '.join(sorted(missing))}",
            hint="the first line names the columns: id,name,class (class may be left out)",
        )
    people: dict[str, tuple[str, str | None]] = {}
    try:
        for row in rows:
            person = (row["id"] or "").strip()
            if not person:
                raise Failure(f"{path}, line {rows.line_num}: no id", hint="give every line the person's id")
            if person in people:
                raise Failure(f"{path}, line {rows.line_num}: id {person!r} stands twice", hint="remove one of them")
            people[person] = ((row["name"] or "").strip() or person, (row.get("class") or "").strip() or None)
    except csv.Error as problem:
        raise Failure(f"{path}, line {rows.line_num}: {problem}", hint="mend the quotes of that line") from None
    return people
