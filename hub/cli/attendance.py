"""`fras attendance`: the register of a day."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from hub.app import Paths, open_school
from hub.cli import console
from hub.failure import Failure
from hub.reports.files import csv_rows, xlsx
from hub.reports.lines import HEADINGS, Line, cells, lines


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


YEARS = (1970, 2999)
"""A day outside has no midnight in every zone, or is a slip of the pen."""

COLOURS = {"present": "green", "late": "yellow", "absent": "red", "open": "dim", "not observed": "magenta"}


def attendance(
    day: Annotated[str, typer.Option("--date", help="The school's date, as 2026-11-22 or 'today'.")] = "today",
    lecture: Annotated[str | None, typer.Option("--lecture", help="Only this lecture, by name.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead.")] = None,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """The register: person, lecture, status, minutes late, and why."""
    where = console.paths(config, data)
    chosen = Format.JSON if json_lines else form
    console.run(_attendance(where, day, lecture, chosen, output), where)


async def _attendance(where: Paths, day: str, lecture: str | None, form: Format, output: Path | None) -> int:
    async with open_school(where, read_only=True) as school:
        chosen = school.today() if day == "today" else _date(day)
        register = await school.registers.of(chosen)
        names = await school.registers.names()
        if await school.registers.would_replan(chosen, register):
            console.say(
                f"{chosen} keeps the lectures it was drawn with; the timetable of now has others (to draw it by that "
                "one: fras audit verify --rebuild --replan)"
            )
        found = lines(register, names, school.zone, lecture)
        if lecture is not None and not any(lecture in (held.name, held.id) for held in register.lectures):
            held_names = ", ".join(sorted({held.name for held in register.lectures})) or "none"
            raise Failure(f"no lecture {lecture!r} on {chosen}", hint=f"that day's lectures: {held_names}")
    _print(found, form, output, str(chosen))
    return 0


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        if not YEARS[0] <= day.year <= YEARS[1]:
            raise ValueError
    except ValueError:
        raise Failure(f"--date {text!r} is not a date", hint="write it as 2026-11-22 or 'today'") from None
    return day


def _print(found: list[Line], form: Format, output: Path | None, day: str) -> None:
    if form is Format.XLSX:
        _write(xlsx(found), output or Path(f"attendance-{day}.xlsx"))
    elif form is Format.CSV and output:
        _write("".join(csv_rows(found)).encode(), output)
    elif form is Format.CSV:
        console.out.file.writelines(csv_rows(found))
    elif form is Format.JSON:
        for line in found:
            console.emit(dict(zip(HEADINGS, cells(line), strict=True)))
    else:
        _table(found, day)


def _write(content: bytes, target: Path) -> None:
    try:
        target.write_bytes(content)
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror}", hint="choose another place with -o") from None
    console.say(f"written: {target}")


def _table(found: list[Line], day: str) -> None:
    if not found:
        console.say(f"no lectures with people on {day}; the timetable is under attendance: in hub.yaml")
        return
    lecture: tuple[str, ...] = ()
    table = Table(box=box.SIMPLE_HEAD)
    for line in found:
        heading = (line.lecture, line.class_name, line.room, line.start, line.end)
        if heading != lecture:
            if lecture:
                console.out.print(table)
            lecture = heading
            title = f"{line.lecture} · {line.class_name} · room {line.room} · {day} {line.start}–{line.end}"
            table = Table(title=console.printable(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
            table.add_column("person", overflow="fold")
            table.add_column("status", no_wrap=True)
            table.add_column("min late", justify="right")
            table.add_column("why", overflow="fold")
        late = "" if line.minutes is None else str(line.minutes)
        table.add_row(console.printable(line.name), Text(line.status, COLOURS.get(line.status, "")), late, line.why)
    console.out.print(table)
