"""`fras audit`: proof that what the register says follows from the stored facts."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.app import Paths, open_school
from hub.cli import console

app = typer.Typer(name="audit", help="Prove what the register rests on.", no_args_is_help=True)


@app.command("verify")
def verify(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Drop every stored sighting and mark and derive them anew.")
    ] = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Derives every stored day's sightings and marks from the facts again and compares them, byte for byte."""
    where = console.paths(config, data)
    console.run(_verify(where, rebuild), where)


async def _verify(where: Paths, rebuild: bool) -> int:
    async with open_school(where, read_only=not rebuild, own=rebuild) as school:
        before = await school.registers.stored()
        if rebuild:
            await school.registers.rebuild()
            after = await school.registers.stored()
        else:
            after = await school.registers.derived(before)
        frozen = len(before.keys() & await school.registers.frozen())
    different = sorted(day for day in before if before[day] != after.get(day))
    for day in different:
        console.say(f"{day}: the stored register is not what the facts say now")
    if frozen:
        console.say(f"{frozen} of {len(before)} days are past retention: their marks stand as they were concluded")
    verb = "dropped and rebuilt" if rebuild else "derived again"
    same = len(before) - len(different)
    console.say(f"{len(before) - frozen} days {verb}, {same - frozen} the same byte for byte")
    return 1 if different else 0
