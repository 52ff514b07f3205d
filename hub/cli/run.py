"""`fras run`: the hub, until it is told to stop."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer

from config import Invalid
from hub import __version__, systemd
from hub.app import Paths, School, open_school, recogniser_instance
from hub.cli import console
from hub.control import Control, Outcome, Request, heeding
from hub.failure import Failure
from hub.lock import DataFolderInUse
from hub.people import Roll
from hub.plugin import PluginError
from hub.recovery import Recovery, lines_of
from hub.running import Hub
from hub.works import Works, open_hub, open_works

T = TypeVar("T")


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
    if until_done:
        return await _once(where)
    try:
        async with systemd.watched(), heeding() as control:
            await _whatever_happens(where, control)
    except asyncio.CancelledError:
        _was_stopped()
        systemd.notify(systemd.STOPPING)
    return 0


async def _whatever_happens(where: Paths, control: Control) -> NoReturn:
    """The hub when it can run, and why it cannot when it cannot."""
    recovery = Recovery(where, control, console.say)
    request: Request | None = None
    while True:
        recovery.trying()
        try:
            request = await _until_changed(where, control, request)
        except DataFolderInUse:
            raise
        except (Invalid, Failure, PluginError, OSError) as problem:
            lines = lines_of(problem)
            if request is not None:
                request.answer(Outcome(False, (*lines, "the hub cannot run")))
            request = await recovery.over(problem)


def _was_stopped() -> None:
    """To be stopped is how a hub ends: nothing to report to whoever asked for it."""
    asyncio.current_task().uncancel()  # type: ignore[union-attr]  # a coroutine is run by a task


async def _until_changed(where: Paths, control: Control, request: Request | None) -> Request | None:
    """Runs the hub until it is cancelled, or hub.yaml asks for another; with the request to answer then, if any.

    `request`, too, is answered, once the hub runs.
    """
    async with open_school(where, own=True, report=console.say) as school:
        console.say(f"FRAS {__version__} · {school.settings.school.name} · data in {where.data}")
        console.say(await _summary(school))
        hub: Hub | None = None
        try:
            async with control.listening(where.data), open_works(school, _served, console.say) as works:
                hub = works.hub
                console.say("running; Ctrl-C stops, fras reload applies a changed hub.yaml")
                systemd.notify(systemd.READY, systemd.status("running"))
                if request is not None:
                    request.answer(Outcome(True, ("the hub runs",)))
                control.answer = works.answer
                return await _reloading(works, control)
        except asyncio.CancelledError:
            console.say(f"stopped; {_tally(hub)}")
            raise
        finally:
            control.answer = None


async def _reloading(works: Works, control: Control) -> Request | None:
    """Applies hub.yaml whenever somebody asks; returns when that takes another hub. Raises what breaks this one."""
    while True:
        request = await _first(works.hub.broken(), control.request())
        try:
            changes = await works.reload()
        except (Invalid, Failure, PluginError) as problem:
            if not works.whole:
                request.answer(Outcome(False, (*lines_of(problem), "the hub cannot run")))
                raise
            request.answer(Outcome(False, (*lines_of(problem), "the hub goes on with the last good configuration")))
        else:
            if changes.anew:
                request.known = changes.told()
                return request
            request.answer(Outcome(True, changes.told()))


async def _first(endless: Coroutine[Any, Any, None], awaited: Coroutine[Any, Any, T]) -> T:
    """What `awaited` gives, unless `endless` raises before."""
    tasks = asyncio.create_task(endless), asyncio.create_task(awaited)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
        return await tasks[1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _once(where: Paths) -> int:
    """Runs until every camera has ended and all frames are recognised, or until it is cancelled."""
    async with open_school(where, own=True, report=console.say) as school:
        console.say(f"FRAS {__version__} · {school.settings.school.name} · data in {where.data}")
        console.say(await _summary(school))
        parked: list[str] = []
        hub: Hub | None = None
        try:
            async with open_hub(school, report=console.say) as opened:
                hub = opened
                console.say("running; Ctrl-C stops")
                parked = await _until_done(school, hub)
        except asyncio.CancelledError:
            _was_stopped()
        for line in parked:
            console.say(line)
        console.say(f"stopped; {_tally(hub)}")
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
    """Waits for the cameras to end and for the last frame's outcome; says which cameras and recognisers do not work."""
    await _first(hub.broken(), _done(school, hub))
    parts = {camera.id: f"camera {camera.id}" for camera in school.settings.cameras}
    parts |= {name: name for name in map(recogniser_instance, (part.id for part in school.settings.recognizer.parts))}
    return [
        f"{parts[name]} needs you: {health.last_error}" + (f"; {health.hint}" if health.hint else "")
        for name, health in school.supervisor.health.items()
        if name in parts and health.state.down
    ]


async def _done(school: School, hub: Hub) -> None:
    await school.supervisor.ended(*(camera.id for camera in school.settings.cameras))
    await hub.drained()


async def _summary(school: School) -> str:
    known = await Roll(school.database, school.clock).everybody()
    enrolled = sum(one.images > 0 for one in known)
    cameras = ", ".join(f"{camera.id} ({camera.platform})" for camera in school.settings.cameras) or "none configured"
    invented = any(school.catalog.spec("camera", camera.platform).invented for camera in school.settings.cameras)
    hint = "" if enrolled or invented else "; enrol with: fras enroll DIR --consent granted --signed-by NAME"
    return f"people: {len(known)}, enrolled: {enrolled}{hint}\ncameras: {cameras}"


def _tally(hub: Hub | None) -> str:
    ends = sorted(hub.outcomes.items()) if hub else []
    return "frames: " + (", ".join(f"{count} {outcome}" for outcome, count in ends) or "none")
