"""A hub that cannot run says why, on its terminal and on a page, and starts as soon as that has changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import config
from config import Invalid, Severity
from hub import systemd
from hub.app import Paths
from hub.control import Control, Outcome, Request
from hub.failure import Failure
from hub.plugin import PluginError
from hub.runtime.catalog import Catalog
from hub.settings import http_settings, read_settings
from hub.web.recovery import Finding, Trouble, recovery
from hub.web.server import serving

LOOK = 0.5
"""Seconds between two looks at the configuration's files; unchanged for that long, they have been written."""
TRY_AGAIN = 20.0
"""Seconds after which a hub that something other than its configuration stops tries again."""

Problems = Invalid | Failure | PluginError | OSError
"""What a person can mend."""


_State: TypeAlias = dict[Path, tuple[int, int, int] | None]
"""When each file was written, its size and its number; None for one that is not there."""


def lines_of(problem: Problems) -> tuple[str, ...]:
    """What a terminal is told."""
    if isinstance(problem, OSError):
        problem = _explained(problem)
    return tuple(str(problem).splitlines())


def findings_of(problem: Problems) -> list[Finding]:
    """The same for a page."""
    if isinstance(problem, Invalid):
        return [
            Finding(found.message, found.hint, found.file, found.line)
            for found in problem.problems
            if found.severity is Severity.ERROR
        ]
    if isinstance(problem, OSError):
        problem = _explained(problem)
    return [Finding(problem.message, problem.hint)]


class Recovery:
    """The time in which the hub does not run."""

    def __init__(self, where: Paths, control: Control, say: Callable[[str], None]) -> None:
        self._where = where
        self._control = control
        self._say = say
        self._told: tuple[str, ...] = ()
        self._problem: Problems = Failure("not started yet")
        self._tried: _State = {}

    def trying(self) -> None:
        """To be called before each try: what changes from now on is news."""
        self._tried = _state({self._where.config, *config.read(self._where.config, os.environ).files})

    async def over(self, problem: Problems) -> Request | None:
        """Returns when the hub should be tried again; with the request that asked for it, to be answered then."""
        self._note(problem)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._control.listening(self._where.data))
            http = http_settings(self._where.config)
            try:
                site = recovery(lambda: Trouble(findings_of(self._problem), self._next_try))
                self._say(
                    f"a page says so, too: {await stack.enter_async_context(serving(site, http.host, http.port))}"
                )
            except Failure as failure:
                self._say(f"no page can say so: {failure}")
            self._say(self._next_try)
            systemd.notify(systemd.READY)
            return await self._wait()

    def _note(self, problem: Problems) -> None:
        self._problem = problem
        lines = lines_of(problem)
        if lines != self._told:
            self._told = lines
            systemd.notify(systemd.status(f"cannot run: {lines[0]}"))
            for line in lines:
                self._say(line)

    @property
    def _next_try(self) -> str:
        name = self._where.config.name
        if isinstance(self._problem, Invalid):
            return f"The hub starts as soon as {name} is right."
        return f"The hub tries again every {TRY_AGAIN:g} seconds, and when {name} changes."

    async def _wait(self) -> Request | None:
        while True:
            request = await self._news()
            self.trying()
            try:
                await asyncio.to_thread(read_settings, self._where.config, Catalog())
            except Invalid as invalid:
                self._note(invalid)
                if request is not None:
                    request.answer(Outcome(False, (*lines_of(invalid), "the hub still cannot run")))
            else:
                return request

    async def _news(self) -> Request | None:
        """Waits until somebody asks for a reload, a file of the configuration changes, or it is time to try again."""
        asked = asyncio.create_task(self._control.request())
        changed = asyncio.create_task(self._changed())
        patience = None if isinstance(self._problem, Invalid) else TRY_AGAIN
        try:
            await asyncio.wait({asked, changed}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            for task in (asked, changed):
                task.cancel()
            await asyncio.gather(asked, changed, return_exceptions=True)

    async def _changed(self) -> None:
        now = _state(self._tried)
        while now == self._tried:
            await asyncio.sleep(LOOK)
            now = _state(self._tried)
        while True:
            await asyncio.sleep(LOOK)
            later = _state(self._tried)
            if later == now:
                return
            now = later


def _state(files: Iterable[Path]) -> _State:
    found: _State = {}
    for file in files:
        try:
            status = file.stat()
            found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            found[file] = None
    return found


def _explained(error: OSError) -> Failure:
    what = f"{error.filename}: " if error.filename else ""
    return Failure(f"{what}{error.strerror or error}", hint="look at the disk's space and the rights there")
