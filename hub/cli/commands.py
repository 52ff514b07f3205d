"""Every subcommand of `fras`, each in a module of its own."""

from __future__ import annotations

import typer

from . import attendance, audit, backup, calibrate, check, enroll, identify, models, nodes, people, plugins, reload, run

app = typer.Typer(
    name="fras",
    help="School attendance by face recognition, on premises, with recorded consent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("reload")(reload.reload)
app.command("check")(check.check)
app.command("enroll")(enroll.enroll)
app.command("identify")(identify.identify)
app.command("attendance")(attendance.attendance)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(people.app, name="people")
app.add_typer(nodes.app, name="nodes")
app.command("plugins")(plugins.plugins)
app.add_typer(models.app, name="models")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(audit.app, name="audit")
