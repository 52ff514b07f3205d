"""The folder of portraits and people.csv as schools have them."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.failure import Failure
from hub.portraits import Pupil, _listed, read_pupils

ZOE = "Zo\u00eb"


def folder(place: Path, *files: str) -> Path:
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_bytes(b"")
    return place


def test_a_folder_a_person_in_order_of_id(tmp_path: Path) -> None:
    folder(tmp_path, "bob/2.jpg", "bob/10.jpg", "ada/in/1.jpg", ".hidden/1.jpg", "stray.jpg", "ada/.trash.jpg")
    (tmp_path / "cem").mkdir()
    assert read_pupils(tmp_path) == [
        Pupil("ada", None, None, (tmp_path / "ada/in/1.jpg",)),
        Pupil("bob", None, None, (tmp_path / "bob/2.jpg", tmp_path / "bob/10.jpg")),
        Pupil("cem", None, None, ()),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    "text", ["id,name,class\nada,Ada L.,10A\ndee,,\n", "ID ; Name;Class\r\n ada ;Ada L.;10A\r\ndee;;\r\n"]
)
def test_names_and_classes_come_from_people_csv(tmp_path: Path, text: str, encoding: str) -> None:
    folder(tmp_path, "ada/1.jpg")
    (tmp_path / "people.csv").write_bytes(text.encode(encoding))
    assert read_pupils(tmp_path) == [
        Pupil("ada", "Ada L.", "10A", (tmp_path / "ada/1.jpg",)),
        Pupil("dee", None, None, ()),
    ]


def test_a_name_spelt_by_a_mac_is_the_same_person(tmp_path: Path) -> None:
    folder(tmp_path, unicodedata.normalize("NFD", ZOE) + "/1.jpg")
    (tmp_path / "people.csv").write_text(f"id,name\n{ZOE},{ZOE} Z.\n", "utf-8")
    (zoe,) = read_pupils(tmp_path)
    assert (zoe.id, zoe.name, len(zoe.portraits)) == (ZOE, f"{ZOE} Z.", 1)
    folder(tmp_path, f"{ZOE}/2.jpg")
    with pytest.raises(Failure, match="have one name; put their pictures into one"):
        read_pupils(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,class\nada,10A\n", "line 1: no column name; the first line names"),
        (b"", "line 1: no column id and no column name"),
        (b"id,name\n,Ada\n", "line 2: no id"),
        (b"id,name\nada,Ada\nada,Ada\n", "line 3: id 'ada' stands twice"),
        (b'id,name\n"ada,Ada\n', "line 2: .*; mend the quotes"),
        (b'"id,name\nada,Ada\n', "line 1: .*; mend the quotes"),
        (b"id,name\nada,Zo\xeb\n", r"not UTF-8 \(byte 14\); save it as"),
        (b"id,name\nada,A\0da\n", "people.csv, line"),
    ],
)
def test_what_is_wrong_with_people_csv_is_said_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(Failure, match=message):
        read_pupils(tmp_path)


def test_a_folder_that_is_none_empty_or_closed_is_said(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is not a folder; give the folder"):
        read_pupils(tmp_path / "nowhere")
    with pytest.raises(Failure, match=r"nobody in .*; put each person's pictures"):
        read_pupils(tmp_path)
    (tmp_path / "people.csv").mkdir()
    with pytest.raises(Failure, match=r"people\.csv is not a file"):
        read_pupils(tmp_path)


def test_a_folder_that_vanishes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path, "ada/1.jpg")
    scandir = os.scandir

    def gone(path: Path) -> object:
        if Path(path).name == "ada":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", gone)
    with pytest.raises(Failure, match="ada cannot be listed: No such file"):
        read_pupils(tmp_path)


def test_a_name_that_is_no_text_is_said(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).mkdir()
    with pytest.raises(Failure, match="has a name that nobody can write; rename it"):
        read_pupils(tmp_path)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9).map(
    lambda text: unicodedata.normalize("NFC", text.strip())
)


@given(st.dictionaries(names.filter(bool), names, max_size=4))
def test_any_names_that_csv_can_hold_are_read(tmp_path_factory: pytest.TempPathFactory, people: dict[str, str]) -> None:
    file = tmp_path_factory.mktemp("csv") / "people.csv"
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "name"])
    writer.writerows(people.items())
    file.write_bytes(text.getvalue().encode())
    assert _listed(file) == {person: (name or None, None) for person, name in people.items()}
