"""How every command reads its options, prints, and turns what went wrong into a message and an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn
from unicodedata import category

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from config import Invalid
from hub.app import Paths
from hub.cli.ending import Ending
from hub.db.people import is_text
from hub.failure import Failure
from hub.plugin import PluginError
from hub.recognition.consent import INVENTED

ConfigOption = Annotated[Path, typer.Option("-c", "--config", help="The configuration file.", show_default="hub.yaml")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder; by default 'data' beside the configuration.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]

CONFIG = Path("hub.yaml")
LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""What JSON leaves as it is and many a reader takes for the end of a line."""


def words(value: str | None) -> str | None:
    """Checks an option that is kept in the database; wrong usage where it is no text."""
    if value is not None and not is_text(value):
        raise typer.BadParameter("that is not text; write it in letters, of any script")
    return value


def signer(value: str | None) -> str | None:
    """Checks who signed."""
    if value is not None and not value.strip():
        raise typer.BadParameter("consent is somebody's signature: name who signed")
    if value is not None and value.strip() == INVENTED:
        raise typer.BadParameter(f"{INVENTED!r} signs for the demo's rendered people only: name who signed")
    return words(value)


class _Console(Console):
    """Text from outside is neither markup nor a name of an emoji; a reader who has gone is a BrokenPipeError."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


out = _Console()
err = _Console(stderr=True)


def paths(config: Path, data: Path | None) -> Paths:
    return Paths.of(config, data)


def say(text: str) -> None:
    """Lines for the person, on standard error, so that standard output stays data. Nobody need be reading."""
    with suppress(OSError):
        err.print(_clean(text))


def tell(text: str, style: str = "") -> None:
    """Lines of what was asked for, on standard output."""
    out.print(_clean(text), style=style)


def columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of what was asked for, aligned, the first a heading: thousands in no time, and a row is always a line."""
    lines = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        out.file.write("  ".join(cells).rstrip() + "\n")


def emit(record: dict[str, Any]) -> None:
    """One JSON line on standard output. A name that is not text stays what it is: a lone surrogate, escaped."""
    file = out.file
    everywhere = getattr(file, "encoding", None) in ("utf-8", None)
    text = json.dumps(record, ensure_ascii=not everywhere).translate(LINE_ENDS)
    file.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    file.flush()


def printable(name: str) -> str:
    """A name from outside on one line of a terminal: what controls a terminal, or turns its text round, is escaped."""
    return "".join(char if _harmless(char) else char.encode("unicode_escape").decode() for char in name)


def _harmless(char: str) -> bool:
    """Spaces of every script are, and the two joiners that Persian and Indian names are written with."""
    return char.isprintable() or category(char) == "Zs" or char in "\u200c\u200d"


def _clean(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


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
    with Ending(stopping=partial(say, "stopping")) as ending:
        code = asyncio.run(ending.heed(_outcome(command, where, ending)))
    raise typer.Exit(code)


async def _outcome(command: Coroutine[Any, Any, int], where: Paths, ending: Ending) -> int:
    try:
        code = await command
        out.file.flush()
        return code
    except Invalid as invalid:
        say(str(invalid))
    except (Failure, PluginError) as failure:
        say(f"fras: {failure}")
    except asyncio.CancelledError:
        how = "Ctrl-C" if ending.asked is signal.SIGINT else "a signal"
        say(f"fras: stopped by {how}; what was finished is kept")
    except BrokenPipeError:
        _give_up_stdout()
    except Exception as fault:
        details = _keep_details(where)
        if isinstance(fault, OSError) and fault.strerror:
            what = f"{fault.filename}: " if fault.filename else ""
            say(f"fras: {what}{fault.strerror}; look at the disk's space and the rights there; {details}")
        else:
            say(f"fras: a fault of FRAS itself: {type(fault).__name__}; please report it; {details}")
        _give_up_stdout()
    return 1


def _give_up_stdout() -> None:
    """What nobody can take any more must not fail once more when the process ends."""
    try:
        out.file.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.file.fileno())


def _keep_details(where: Paths) -> str:
    """Says where the traceback is, for nobody wants it in a terminal."""
    report = where.data / "fault.log"
    try:
        where.data.mkdir(parents=True, exist_ok=True)
        report.write_text(traceback.format_exc(), "utf-8")
    except OSError:
        return "details could not be written"
    return f"details: {report}"


def elsewhere(said: Mapping[str, str]) -> list[str]:
    """What became of somebody's deletion at each service, by the recogniser's id: why it is not done, or nothing."""
    return [
        f"recognizer {name}: {f'still to be deleted there: {reason}' if reason else 'deleted there, too'}"
        for name, reason in said.items()
    ]
