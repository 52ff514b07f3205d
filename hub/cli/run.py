"""`fras run`: the hub, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Annotated

import typer

from hub import __version__
from hub.app import Paths, School, open_hub, open_school
from hub.cli import console
from hub.db import ledger
from hub.people import Roll
from hub.running import Hub

STOP_WITHIN = 5.0
"""Seconds from a signal to the end of the process, whatever plugins do."""


def run(
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Stop once every camera has ended and all frames are recognised.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log every step.")] = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Runs the hub: cameras in, attendance out. Stop it with Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("fras").setLevel(logging.DEBUG if verbose else logging.INFO)
    where = console.paths(config, data)
    console.run(_run(where, until_done), where)


async def _run(where: Paths, until_done: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop, loop)
    async with open_school(where, own=True, report=console.say) as school:
        console.say(f"FRAS {__version__} · {school.settings.school.name} · data in {where.data}")
        console.say(await _summary(school))
        async with open_hub(school) as hub:
            console.say("running; Ctrl-C stops")
            waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(hub.broken())]
            if until_done:
                waiting.append(asyncio.create_task(_done(school, hub)))
            finished, unfinished = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            for task in finished:
                task.result()
        console.say(f"stopped; {await _tally(school)}")
    return 0


async def _done(school: School, hub: Hub) -> None:
    await school.supervisor.ended(*(camera.id for camera in school.settings.cameras))
    await hub.drained()


async def _summary(school: School) -> str:
    known = await Roll(school.database, school.clock).everybody()
    enrolled = sum(one.images > 0 for one in known)
    cameras = ", ".join(f"{camera.id} ({camera.platform})" for camera in school.settings.cameras) or "none configured"
    hint = "" if enrolled else "; enrol with: fras enroll DIR --consent granted --signed-by NAME"
    return f"people: {len(known)}, enrolled: {enrolled}{hint}\ncameras: {cameras}"


async def _tally(school: School) -> str:
    async with school.database.read() as connection:
        outcomes = await ledger.outcomes(connection)
    return "frames: " + (", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "none")


def _stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """The first signal asks; whatever has not stopped soon after is left behind: all that matters is on disk."""
    if stop.is_set():
        return
    console.say("stopping")
    stop.set()
    loop.call_later(STOP_WITHIN, os._exit, 1)
