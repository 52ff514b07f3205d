"""The register in an office program: every name as it is, no name as a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from time import perf_counter
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.reports.files import BOM, FORMULA, csv_rows, neutral, xlsx
from hub.reports.lines import HEADINGS, Line, cells

LINE = Line("2026-11-23", "09:00", "09:50", "Maths", "10A", "101", "ada", "Ada", "late", 12, "seen once; late")
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.builds(
    str.__add__, st.sampled_from([*FORMULA, "'", "'=", '"', ";", ",", "\r\n", " "]), st.text("ab='\",;\n\r", max_size=5)
)


def read(text: str) -> list[list[str]]:
    """As an office program reads it; who knows of the apostrophes finds every name again."""
    assert text.startswith(BOM)
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))


def without_apostrophe(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA) else cell


@given(st.lists(st.builds(lambda person, name: replace(LINE, person=person, name=name), names, names), max_size=4))
def test_any_name_survives_csv(lines: list[Line]) -> None:
    heading, *rows = read("".join(csv_rows(lines)))
    assert tuple(heading) == HEADINGS
    assert [[without_apostrophe(cell) for cell in row] for row in rows] == [
        ["" if cell is None else str(cell) for cell in cells(line)] for line in lines
    ]


@given(names)
def test_no_name_is_a_formula(name: str) -> None:
    assert not str(neutral(name)).startswith(FORMULA)


@given(names, names)
def test_two_names_stay_two(one: str, other: str) -> None:
    assert (neutral(one) == neutral(other)) == (one == other)


@pytest.mark.parametrize("name", ["'t Hooft", "O'Neill", "Ada", "", "1+1", "a=b"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert neutral(name) == name


def test_missing_minutes_are_an_empty_cell() -> None:
    (_, row) = read("".join(csv_rows([replace(LINE, minutes=None)])))
    assert row[HEADINGS.index("minutes")] == ""


def test_thousands_of_lines_are_quick() -> None:
    lines = [replace(LINE, person=f"p{number}", name=f"=Ada {number}") for number in range(5000)]
    start = perf_counter()
    rows = read("".join(csv_rows(lines)))
    book = xlsx(lines)
    assert perf_counter() - start < 10
    assert len(rows) == 5001
    with ZipFile(io.BytesIO(book)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
        assert sheet.count("<row ") == 5001
        assert "<f>" not in sheet
        assert "=Ada 4999" in parts.read("xl/sharedStrings.xml").decode()


def test_a_workbook_of_an_empty_register_opens() -> None:
    with ZipFile(io.BytesIO(xlsx([]))) as parts:
        assert parts.testzip() is None
        assert parts.read("xl/worksheets/sheet1.xml").decode().count("<row ") == 1


@given(names)
def test_any_name_fits_into_a_workbook(name: str) -> None:
    with ZipFile(io.BytesIO(xlsx([replace(LINE, name=name)]))) as parts:
        assert parts.testzip() is None
