"""The register as CSV and as a spreadsheet, safe to open in an office program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from hub.reports.lines import HEADINGS, Line, cells

BOM = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def neutral(cell: str | int | None) -> str | int:
    """A cell no spreadsheet takes for a formula (OWASP, CSV injection): a leading apostrophe makes it text.

    Text that looks neutralised already gets one, too, so that no two texts become the same.
    """
    if isinstance(cell, str) and cell.lstrip("'").startswith(FORMULA):
        return "'" + cell
    return "" if cell is None else cell


def csv_rows(lines: Iterable[Line]) -> Iterator[str]:
    """The file a row at a time: UTF-8 with a byte order mark, CRLF as RFC 4180 says."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(HEADINGS)
    yield BOM + buffer.getvalue()
    for line in lines:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([neutral(cell) for cell in cells(line)])
        yield buffer.getvalue()


def xlsx(lines: Iterable[Line]) -> bytes:
    """A workbook of one sheet with a frozen, filtered heading. Cells are written as text, never as formulas."""
    import xlsxwriter

    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet("register")
        bold = book.add_format({"bold": True})
        sheet.write_row(0, 0, HEADINGS, bold)
        last = 0
        for last, line in enumerate(lines, start=1):
            sheet.write_row(last, 0, ["" if cell is None else cell for cell in cells(line)])
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, last, len(HEADINGS) - 1)
        for column, width in enumerate((11, 6, 6, 18, 8, 8, 14, 24, 13, 8, 70)):
            sheet.set_column(column, column, width)
    return file.getvalue()
