"""`fras check`: every problem of the configuration, with file and line."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from config import Invalid, Problem, Severity, format_problems
from hub.app import Paths
from hub.cli import console
from hub.runtime.catalog import Catalog
from hub.settings import json_schema, read_settings


def check(
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema for editors instead.")] = False,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Reads hub.yaml and says everything that is wrong with it. Exit 1 when anything is."""
    where = console.paths(config, data)
    console.run(_schema() if schema else _check(where, json_lines), where)


async def _schema() -> int:
    catalog = Catalog()
    catalog.load_all()
    console.out.file.write(json.dumps(json_schema(catalog), indent=2) + "\n")
    for fault in catalog.faults:
        console.say(str(fault))
    return 1 if catalog.faults else 0


async def _check(where: Paths, json_lines: bool) -> int:
    try:
        problems = read_settings(where.config, Catalog()).warnings
    except Invalid as invalid:
        problems = invalid.problems
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if json_lines:
        for problem in problems:
            console.emit(_record(problem))
    elif problems:
        console.tell(format_problems(problems))
    if not errors:
        console.say(f"{where.config.name} is fine" + (", with warnings" if problems else ""))
    return 1 if errors else 0


def _record(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "severity": str(problem.severity),
        "message": problem.message,
        "hint": problem.hint or None,
    }
