"""`fras run`: the hub, until it is told to stop."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import socket
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import typer

from hub import __version__
from hub.app import Paths, School, open_school
from hub.cli import console
from hub.db import ledger
from hub.people import Roll
from hub.running import Hub
from hub.works import open_hub


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
    """Runs until it is cancelled, which is how the console heeds signals, or until everything is done."""
    async with open_school(where, own=True, report=console.say) as school:
        console.say(f"FRAS {__version__} · {school.settings.school.name} · data in {where.data}")
        console.say(await _summary(school))
        parked: list[str] = []
        try:
            async with open_hub(school, None if until_done else _served) as hub:
                console.say("running; Ctrl-C stops")
                if not until_done:
                    await hub.broken()
                parked = await _until_done(school, hub)
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # a coroutine is run by a task
        for line in parked:
            console.say(line)
        console.say(f"stopped; {await _tally(school)}")
    return 1 if parked else 0


def _served(address: str) -> None:
    console.say(f"panel: {address}")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        where = urlsplit(address)
        user = "USER"
        with suppress(KeyError, OSError):  # nobody's name is known, in some containers
            user = getpass.getuser()
        console.say(
            f"no screen here? On your machine: ssh -L {where.port}:{where.netloc} {user}@{socket.gethostname()}"
        )


async def _until_done(school: School, hub: Hub) -> list[str]:
    """Waits for the cameras to end and for the last frame's outcome; says which cameras did not end well."""
    work = asyncio.create_task(_done(school, hub))
    broken = asyncio.create_task(hub.broken())
    try:
        await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, broken):
            if task.done():
                task.result()
    finally:
        for task in (work, broken):
            task.cancel()
        await asyncio.gather(work, broken, return_exceptions=True)
    cameras = {camera.id for camera in school.settings.cameras}
    return [
        f"camera {name} needs you: {health.last_error}" + (f"; {health.hint}" if health.hint else "")
        for name, health in school.supervisor.health.items()
        if name in cameras and health.state.down
    ]


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
