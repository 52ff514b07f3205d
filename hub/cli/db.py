"""`fras db`: a school's database moves."""

from __future__ import annotations

import getpass
import signal
import sys
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from hub.app import Paths, copy_database
from hub.cli import console

app = typer.Typer(name="db", help="Move the school to another database.", no_args_is_help=True)


@app.command("copy")
def copy(
    to: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="postgresql://user@host/name or sqlite:///file.db, empty or new; - asks for it or reads a pipe.",
        ),
    ],
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Copies hub.yaml's database into another, compares every row, and says what to write into hub.yaml then.

    The hub must not run. The old database stays as it is. A copy that fails or is killed leaves the other empty.
    Pictures and frames that wait are no part of it: they stay where they are.
    """
    where = console.paths(config, data)
    if to != "-" and _has_password(to):
        raise typer.BadParameter(
            "a password in a command can be read by everybody on this machine, and stays in the shell's history; "
            "write - in place of the URL, which is then asked for, or leave the password to ~/.pgpass"
        )
    console.run(_copy(where, _asked() if to == "-" else to, json_lines), where)


async def _copy(where: Paths, url: str, json_lines: bool) -> int:
    copied = await copy_database(where, url, console.say)
    if json_lines:
        for each in copied:
            console.emit({"table": each.table, "rows": each.rows, "sha256": each.sha256})
    else:
        console.columns([("table", "rows", "sha256"), *((each.table, f"{each.rows}", each.sha256) for each in copied)])
    console.say(f"copied and compared, row by row: {sum(each.rows for each in copied)} rows, {len(copied)} tables")
    console.say("now write into hub.yaml, at hub:")
    if _has_password(url):
        console.say("  database: !secret fras_database")
        console.say('and the URL into secrets.yaml beside it, as fras_database: "…"')
    else:
        console.say(f'  database: "{url}"')
    console.say("then fras check --connect, fras audit verify, fras run; what hub.yaml names now stays as it is")
    return 0


def _asked() -> str:
    """The URL out of a pipe, or typed unseen."""
    try:
        line = _typed() if sys.stdin.isatty() else sys.stdin.readline(10_000)
    except (EOFError, UnicodeDecodeError):
        line = ""
    if not line.strip():
        raise typer.BadParameter(
            "no URL was given; write for example postgresql://fras:PASSWORD@db.school.example/fras"
        )
    return line.strip()


def _typed() -> str:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the terminal must show again what is typed
    try:
        return getpass.getpass("URL of the other database: ")
    except KeyboardInterrupt:
        console.say("\nfras: stopped")
        raise typer.Exit(1) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return "@" in url
