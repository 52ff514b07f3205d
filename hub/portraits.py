"""The folder of portraits that `fras enroll` reads: `DIR/<person id>/*.jpg` and an optional `people.csv`."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hub.db.people import is_text
from hub.failure import Failure
from hub.plugin import media

PEOPLE = "people.csv"


@dataclass(frozen=True, slots=True)
class Pupil:
    """One person to enrol. `id` is the folder's name; `name` and `class_name` come from people.csv, or are None."""

    id: str
    name: str | None
    class_name: str | None
    portraits: tuple[Path, ...]


def read_pupils(folder: Path) -> list[Pupil]:
    """Everybody below `folder` in order of id: those with a folder of portraits and those only in people.csv.

    Ids are in Unicode's normal form C: a Mac names the folder of "Zoë" otherwise than people.csv spells it.
    Raises Failure when there is no such folder, nobody in it, or a name or people.csv cannot be understood.
    """
    if not folder.is_dir():
        raise Failure(f"{folder} is not a folder", hint="give the folder that holds one folder of portraits a person")
    listed = _listed(folder / PEOPLE)
    folders = _folders(folder)
    if not folders and not listed:
        raise Failure(f"nobody in {folder}", hint="put each person's pictures into a folder named with the person's id")
    pupils = []
    for person in sorted({*folders, *listed}):
        name, class_name = listed.get(person, (None, None))
        portraits = _portraits(folders[person]) if person in folders else ()
        pupils.append(Pupil(person, name, class_name, portraits))
    return pupils


def _portraits(place: Path) -> tuple[Path, ...]:
    try:
        return tuple(media.walk(place))
    except OSError as problem:
        raise Failure(
            f"{place} cannot be listed: {problem.strerror}", hint="give yourself the right to read it"
        ) from None


def _folders(folder: Path) -> dict[str, Path]:
    """Folders of portraits by id."""
    found: dict[str, Path] = {}
    try:
        entries = sorted(folder.iterdir())
    except OSError as problem:
        raise Failure(
            f"{folder} cannot be listed: {problem.strerror}", hint="give yourself the right to read it"
        ) from None
    for entry in entries:
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        person = unicodedata.normalize("NFC", entry.name)
        if not is_text(person) or not person.strip():
            raise Failure(f"the folder {entry} has a name that nobody can write", hint="rename it to the person's id")
        if person in found:
            raise Failure(f"the folders {found[person]} and {entry} have one name", hint="put their pictures into one")
        found[person] = entry
    return found


def _listed(path: Path) -> dict[str, tuple[str | None, str | None]]:
    """Names and classes by id; UTF-8 with or without a byte order mark, comma or semicolon."""
    if not path.exists():
        return {}
    if not path.is_file():
        raise Failure(f"{path} is not a file", hint="rename it, or put a CSV file there")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as problem:
        raise Failure(f"{path} cannot be read: {problem.strerror}", hint="give yourself the right to read it") from None
    except UnicodeDecodeError as problem:
        raise Failure(
            f"{path} is not UTF-8 (byte {problem.start})", hint="save it as 'CSV UTF-8' from your office program"
        ) from None
    heading = next(iter(text.splitlines()), "")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in heading else ",", strict=True)
    people: dict[str, tuple[str | None, str | None]] = {}
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        missing = {"id", "name"} - set(rows.fieldnames)
        if missing:
            raise Failure(
                f"{path}, line 1: no column {' and no column '.join(sorted(missing))}",
                hint="the first line names the columns: id,name,class (class may be left out)",
            )
        for row in rows:
            cells = [(row.get(column) or "").strip() for column in ("id", "name", "class")]
            if not all(map(is_text, cells)):
                raise Failure(f"{path}, line {rows.line_num}: zero bytes, no text", hint="export the file once more")
            person, name, class_name = (unicodedata.normalize("NFC", cell) for cell in cells)
            if not person:
                raise Failure(f"{path}, line {rows.line_num}: no id", hint="give every line the person's id")
            if person in people:
                raise Failure(f"{path}, line {rows.line_num}: id {person!r} stands twice", hint="remove one of them")
            people[person] = (name or None, class_name or None)
    except csv.Error as problem:
        raise Failure(f"{path}, line {rows.line_num + 1}: {problem}", hint="mend the quotes from there on") from None
    return people
