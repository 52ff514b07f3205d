"""How every command reads its options, prints, and turns what went wrong into a message and an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from config import Invalid
from hub.app import Paths
from hub.failure import Failure
from hub.plugin import PluginError

ConfigOption = Annotated[Path, typer.Option("-c", "--config", help="The configuration file.", show_default="hub.yaml")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder; by default 'data' beside the configuration.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]

CONFIG = Path("hub.yaml")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Exit(Exception):
    """Ends a command with an exit code after it has said why."""

    code: int


def paths(config: Path, data: Path | None) -> Paths:
    return Paths.of(config, data)


def say(text: str) -> None:
    """A line for the person, on standard error, so that standard output stays data."""
    err.print(text, markup=False)


def emit(record: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def printable(name: str) -> str:
    """A name from outside on one line of a terminal: control characters are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def progress() -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def run(command: Coroutine[Any, Any, int], where: Paths) -> NoReturn:
    """Runs a command to its exit code; whatever fails becomes a message with a next step, never a traceback."""
    raise typer.Exit(_outcome(command, where))


def _outcome(command: Coroutine[Any, Any, int], where: Paths) -> int:
    try:
        return asyncio.run(command)
    except Invalid as invalid:
        say(str(invalid))
    except (Failure, PluginError) as failure:
        say(f"fras: {failure}")
    except KeyboardInterrupt:
        say("fras: stopped by Ctrl-C; what was finished is kept")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as fault:
        say(f"fras: a fault of FRAS itself: {type(fault).__name__}; {_keep_details(where)}")
    return 1


def _keep_details(where: Paths) -> str:
    report = where.data / "fault.log"
    try:
        where.data.mkdir(parents=True, exist_ok=True)
        report.write_text(traceback.format_exc(), "utf-8")
    except OSError:
        return "the details could not be written; run with PYTHONFAULTHANDLER=1 and report it"
    return f"the details are in {report}; please report them"
