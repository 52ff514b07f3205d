"""`fras audit`: proof that what the register says follows from the stored facts."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date
from typing import Annotated

import typer

from hub.app import Paths, open_school
from hub.cli import console
from hub.registers import Registers

app = typer.Typer(name="audit", help="Prove what the register rests on.", no_args_is_help=True)


@app.command("verify")
def verify(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Drop every stored sighting and mark and derive them anew.")
    ] = False,
    replan: Annotated[
        bool,
        typer.Option(
            "--replan",
            help="With --rebuild: by the timetable of now. Otherwise days that are over keep the lectures they had.",
        ),
    ] = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Derives every stored day's sightings and marks from the facts again and compares them, byte for byte."""
    if replan and not rebuild:
        raise typer.BadParameter("it goes with --rebuild", param_hint="--replan")
    where = console.paths(config, data)
    console.run(_rebuild(where, replan) if rebuild else _verify(where), where)


async def _verify(where: Paths) -> int:
    async with open_school(where, read_only=True) as school:
        registers = school.registers
        days, otherwise = await _derivable(registers)
        compared = [day for day in days if day not in otherwise]
        different = [day for day in compared if await registers.stored(day) != await registers.derived(day)]
        moving = {school.today(), *await registers.undecided()}
    _say_different(different, moving)
    if otherwise:
        console.say(
            f"{len(otherwise)} days were drawn by other rules or settings than those of now, and are not compared; "
            "fras audit verify --rebuild draws them by those of now"
        )
    console.say(f"{len(compared)} days derived again, {len(compared) - len(different)} the same byte for byte")
    return 0 if moving.issuperset(different) else 1


async def _rebuild(where: Paths, replan: bool) -> int:
    async with open_school(where, own=True) as school:
        days, otherwise = await _derivable(school.registers)
        excused = {school.today(), *otherwise, *await school.registers.undecided()}
        changed = await school.registers.rebuild(replan=replan)
    different = [] if replan else [day for day in changed if day not in excused]
    _say_different(different)
    console.say(f"{len(days)} days dropped and rebuilt, {len(days) - len(changed)} the same byte for byte")
    return 1 if different else 0


async def _derivable(registers: Registers) -> tuple[list[date], frozenset[date]]:
    """The days whose registers can be derived again, and those of them that now's rules would draw otherwise."""
    stored, frozen = await registers.days(), await registers.frozen()
    days = [day for day in stored if day not in frozen]
    if len(days) < len(stored):
        past = len(stored) - len(days)
        console.say(f"{past} of {len(stored)} days are past retention: their marks stand as they were concluded")
    return days, await registers.drawn_otherwise() & frozenset(days)


def _say_different(days: Iterable[date], moving: Container[date] = ()) -> None:
    """`moving`: those whose marks may still change, which is for a running hub to do."""
    for day in days:
        if day in moving:
            console.say(f"{day}: not over, or not decided yet: the facts say more now than the stored register")
        else:
            console.say(f"{day}: the stored register is not what the facts say now")
