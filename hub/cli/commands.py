"""Every subcommand of `fras`, each in a module of its own, which is imported when the command is used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

COMMANDS = {
    "run": "run.run",
    "reload": "reload.reload",
    "check": "check.check",
    "enroll": "enroll.enroll",
    "identify": "identify.identify",
    "attendance": "attendance.attendance",
    "calibrate": "calibrate.calibrate",
    "people": "people.app",
    "nodes": "nodes.app",
    "plugins": "plugins.plugins",
    "models": "models.app",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "audit": "audit.app",
    "db": "db.app",
}
"""Where each is, in the order of `fras --help`: a function, or a group of commands."""


def fras(words: Sequence[str] = ()) -> typer.Typer:
    """`fras` with the command that `words` begin with alone; with every one where they begin with none."""
    made = typer.Typer(
        name="fras",
        help="School attendance by face recognition, on premises, with recorded consent.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(_many)
    for name in [words[0]] if words and words[0] in COMMANDS else COMMANDS:
        module, _, member = COMMANDS[name].partition(".")
        found = getattr(import_module(f"{__package__}.{module}"), member)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name)(found)
    return made


def _many() -> None:
    """Has typer ask for a command's name even where there is but one."""
