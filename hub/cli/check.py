"""`fras check`: every problem of the configuration, with file and line; and whether the services it names work."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Annotated

import typer

from config import Invalid, Place, Problem, Severity, format_problems
from hub.app import Paths, known_nodes, stale_thresholds
from hub.calibrating import ANEW
from hub.cli import console
from hub.connecting import Tried, longest, try_services
from hub.db.nodes import NodeState
from hub.ground import misnamed, other_owner
from hub.model_files import without_model
from hub.nodes.cameras import clashes
from hub.runtime.catalog import Catalog
from hub.runtime.context import Surroundings
from hub.runtime.tasks import Abandoned
from hub.settings import Settings, json_schema, read_settings
from hub.stranded import ADVICE, stranded


def check(
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema for editors instead.")] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also try the database, and each recogniser, storage and camera it names.")
    ] = False,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Reads hub.yaml and says everything that is wrong with it. Exit 1 when anything is."""
    if schema and connect:
        raise typer.BadParameter("--schema tries nothing: leave one of them out", param_hint="--connect")
    where = console.paths(config, data)
    console.run(_schema() if schema else _check(where, connect, json_lines), where)


async def _schema() -> int:
    catalog = Catalog()
    catalog.load_all()
    console.out.file.write(json.dumps(json_schema(catalog), indent=2) + "\n")
    for fault in catalog.faults:
        console.say(str(fault))
    return 1 if catalog.faults else 0


async def _check(where: Paths, connect: bool, json_lines: bool) -> int:
    catalog, settings = Catalog(), None
    try:
        settings = read_settings(where.config, catalog)
        nodes = await known_nodes(where, settings)
        rooms = {node.room for node in nodes if node.room is not None and node.state is NodeState.CONFIRMED}
        problems = (*read_settings(where.config, catalog, watched=rooms).warnings, *clashes(settings, nodes))
        problems += (*await asyncio.to_thread(without_model, where, settings, catalog),)
        if misnaming := misnamed(where.database_url(settings.school.database)):
            fact = f"Invalid config for 'hub': {misnaming.message}, check hub->database"
            problems += (Problem(Place(where.config.name, 0), fact, misnaming.hint),)
        if stale := await stale_thresholds(where, settings):
            problems += (Problem(Place(where.config.name, 0), str(stale), ANEW, Severity.WARNING),)
        around = Surroundings(where.data, where.base, settings.school.time_zone)
        for waits in await asyncio.to_thread(stranded, around, settings):
            problems += (Problem(settings.storage.place, waits, ADVICE, Severity.WARNING),)
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
    works = (
        await _connect(where, settings, catalog, json_lines, not errors) if settings is not None and connect else True
    )
    return 0 if works and not errors else 1


async def _connect(where: Paths, settings: Settings, catalog: Catalog, json_lines: bool, fine: bool) -> bool:
    """Whether every service works; ends the process where one does not end. `fine`: so far nothing is wrong."""
    abandoned = Abandoned()
    if owner := other_owner(where.data):
        console.say(
            f"the data folder is {owner}'s: run this as {owner}, for this user may do other things than the hub"
        )
    console.say(f"trying each service, for up to {longest(settings):g} seconds")
    tried = await try_services(settings, catalog, where, abandoned)
    for one in tried:
        if json_lines:
            console.emit(_outcome(one))
        else:
            name = f"{one.service} ({one.platform})" if one.platform else one.service
            said = f"{one.message}; {one.hint}" if one.hint else one.message
            console.tell(f"{'works' if one.works else 'fails'}  {name}: {said}", style="" if one.works else "bold")
    works = all(one.works for one in tried)
    if abandoned:  # one of them does not end, and would keep this process from ending
        console.out.file.flush()
        os._exit(0 if works and fine else 1)
    return works


def _outcome(one: Tried) -> dict[str, object]:
    return {
        "service": one.service,
        "platform": one.platform or None,
        "works": one.works,
        "message": one.message,
        "hint": one.hint or None,
    }


def _record(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "severity": str(problem.severity),
        "message": problem.message,
        "hint": problem.hint or None,
    }
