"""`fras plugins`: what is installed."""

from __future__ import annotations

from rich import box
from rich.table import Table

from hub.cli import console
from hub.runtime.catalog import KINDS, Catalog


def plugins(
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Lists the installed cameras, recognisers and storages, and those that cannot be used. Exit 1 if any cannot."""
    console.run(_plugins(json_lines), console.paths(config, data))


async def _plugins(json_lines: bool) -> int:
    catalog = Catalog()
    catalog.load_all()
    if json_lines:
        for kind in KINDS:
            for name in catalog.names(kind):
                console.emit({"kind": kind, "name": name, "description": catalog.spec(kind, name).description})
    else:
        table = Table(box=box.SIMPLE_HEAD)
        for heading in ("kind", "name", "what it is"):
            table.add_column(heading)
        for kind in KINDS:
            for name in catalog.names(kind):
                table.add_row(kind, name, catalog.spec(kind, name).description)
        console.out.print(table)
    for fault in catalog.faults:
        console.say(str(fault))
    return 1 if catalog.faults else 0
