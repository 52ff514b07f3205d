"""Trying every service that hub.yaml names, without starting anything: what `fras check --connect` does."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from config.secret import Secret, redact
from hub.app import Paths
from hub.db.nodes import Node
from hub.failure import Failure
from hub.ground import look_at_data, look_at_database, nodes_of, paired_as
from hub.nodes.cameras import PLATFORM as NODES
from hub.plugin import NotReady, PluginError, Probe
from hub.runtime.catalog import Catalog, Kind
from hub.runtime.context import Context, Surroundings, closing, nothing_acknowledged
from hub.runtime.faults import PRIVATE, meaning
from hub.runtime.tasks import Abandoned, put_down
from hub.runtime.threads import DaemonPool
from hub.settings import Part, Settings

PATIENCE = 15.0
"""Seconds for each service, unless its own `timeout` asks for more; all are tried at once."""
LONGEST = 70.0
SLACK = 10.0
"""Seconds beyond its `timeout`: it knows better what is wrong."""
GRACE = 1.0
"""Seconds that an attempt which was given up has to end."""
AGAIN = "look at the network and at the service itself, then try again; a running hub does so by itself"
SLOW = "look at the service itself, and how busy it is"
LOOK = "compare what hub.yaml says of it with its documentation"
"""What to do where nothing better is said: of what may pass, of what takes too long, and of what will not."""


@dataclass(frozen=True, slots=True)
class Tried:
    """`message` says what was found, or what is wrong; then `hint` says what to do."""

    service: str
    platform: str
    works: bool
    message: str
    hint: str = ""


async def try_services(
    settings: Settings, catalog: Catalog, paths: Paths, abandoned: Abandoned, patience: float | None = None
) -> list[Tried]:
    """Data folder, database and every plugin, in the order of hub.yaml; each for `patience` seconds, or as its options
    ask. Nothing is made in the data folder. Attempts that do not end are `abandoned`.
    """
    url = paths.database_url(settings.school.database)
    secrets = frozenset(_secrets([settings.school.database, *(part.options for _, part in _parts(settings))]))
    pool = DaemonPool("fras.check")
    with tempfile.TemporaryDirectory(prefix="fras-check-", ignore_cleanup_errors=True) as spare:
        around = Surroundings(paths.data, paths.base, settings.school.time_zone)
        trying = _Trying(catalog, around, replace(around, data=Path(spare)), partial(nodes_of, url))
        attempts = [
            Attempt("data folder", "", lambda report: pool.run(look_at_data, paths.data)),
            Attempt("database", "", lambda report: look_at_database(url)),
            *(trying.attempt(kind, part) for kind, part in _parts(settings)),
        ]
        try:
            return await asyncio.gather(*(attempt.tried(secrets, abandoned, patience) for attempt in attempts))
        finally:
            pool.close()
            await trying.close(abandoned)


def longest(settings: Settings) -> float:
    """Seconds that trying all of them may take."""
    return max(PATIENCE, *(_patience(part) for _, part in _parts(settings)))


def _patience(part: Part) -> float:
    timeout = part.options.get("timeout")
    asked = timeout.total_seconds() + SLACK if isinstance(timeout, timedelta) else 0.0
    return min(LONGEST, max(PATIENCE, asked))


def _parts(settings: Settings) -> Iterator[tuple[Kind, Part]]:
    for recognizer in settings.recognizer.parts:
        yield "recognizer", recognizer
    yield "storage", settings.storage
    for camera in settings.cameras:
        yield "camera", camera


class _Trying:
    """`apart` is a data folder for what the real one has not: made by another user, it would be closed to the hub."""

    def __init__(
        self, catalog: Catalog, around: Surroundings, apart: Surroundings, ask: Callable[[], Awaitable[list[Node]]]
    ) -> None:
        self._catalog = catalog
        self._around = around
        self._apart = apart
        self._ask = ask
        self._nodes: asyncio.Task[list[Node]] | None = None
        """Asked for once, however many cameras are nodes."""

    def attempt(self, kind: Kind, part: Part) -> Attempt:
        service = kind if kind != "camera" and part.id == part.platform else f"{kind} {part.id}"
        probe = self._catalog.spec(kind, part.platform).probe
        if kind == "camera" and part.platform == NODES:
            return Attempt(service, part.platform, lambda report: self._node(part.id))
        if probe is None:
            return Attempt(service, part.platform, _nothing)
        return Attempt(service, part.platform, partial(self._probe, probe, kind, part), _patience(part))

    async def close(self, abandoned: Abandoned) -> None:
        if self._nodes is not None and not await put_down(self._nodes, GRACE):
            abandoned.add(self._nodes)

    async def _node(self, camera: str) -> str:
        if self._nodes is None:
            self._nodes = asyncio.ensure_future(self._ask())
        try:
            return paired_as(camera, await asyncio.shield(self._nodes))
        except (Failure, OSError):
            raise Failure("the database does not tell whether it is paired", hint="mend the database first") from None

    async def _probe(self, probe: Probe, kind: Kind, part: Part, report: Callable[[str], None]) -> str:
        pool = DaemonPool(f"fras.{part.id}")
        try:
            folder = await pool.run(self._folder, kind, part.id)
            async with closing(Context(part.id, folder, self._around, pool, report, nothing_acknowledged)) as context:
                return str(await probe(part.options, context))
        finally:
            pool.close()

    def _folder(self, kind: Kind, instance_id: str) -> Path:
        """The plugin's own where it is this user's; else one that goes, with links to what is in the plugin's own."""
        own = self._around.place_of(kind, instance_id)
        try:
            if own.stat().st_uid == os.geteuid():
                return own
            inside = list(own.iterdir())
        except OSError:  # not there yet, or closed to this user
            inside = []
        folder = self._apart.folder_of(kind, instance_id)
        for entry in inside:
            (folder / entry.name).symlink_to(entry)
        return folder


async def _nothing(report: Callable[[str], None]) -> str:
    return "nothing to try"


@dataclass(slots=True)
class Attempt:
    """`call` gets what to tell of its progress, and answers what it found."""

    service: str
    platform: str
    call: Callable[[Callable[[str], None]], Awaitable[str]]
    patience: float = PATIENCE
    reached: str = ""

    async def tried(self, secrets: frozenset[str], abandoned: Abandoned, patience: float | None) -> Tried:
        seconds = self.patience if patience is None else patience
        outcome: list[str | BaseException] = []
        task = asyncio.create_task(_into(outcome, lambda: self.call(self._note)), name=f"trying {self.service}")
        try:
            await asyncio.wait({task}, timeout=seconds)
            late = not task.done()
        finally:
            if not await put_down(task, GRACE):
                abandoned.add(task)
        if late:
            return self._late(seconds, secrets)
        (found,) = outcome
        if isinstance(found, str):
            return Tried(self.service, self.platform, True, _line(found, secrets))
        said = found if isinstance(found, Failure | PluginError) else meaning(found)
        hint = said.hint or (AGAIN if isinstance(said, NotReady) else LOOK)
        return Tried(self.service, self.platform, False, _line(said.message, secrets), _line(hint, secrets))

    def _note(self, message: str) -> None:
        self.reached = message

    def _late(self, seconds: float, secrets: frozenset[str]) -> Tried:
        message, hint = f"no answer within {seconds:g} s", "look at the network, and its address"
        if self.reached:
            message, hint = f"not done within {seconds:g} s; it came to: {self.reached}", SLOW
        return Tried(self.service, self.platform, False, _line(message, secrets), hint)


async def _into(outcome: list[str | BaseException], call: Callable[[], Awaitable[str]]) -> None:
    try:
        outcome.append(await call())
    except GeneratorExit:
        raise
    except BaseException as error:  # SystemExit would end the event loop if it left the task
        outcome.append(error)


def _line(text: str, secrets: frozenset[str]) -> str:
    line = redact(" ".join(text.split()), secrets)
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _secrets(value: Any) -> Iterator[str]:
    """Every value that came from `!secret` or `!env_var`, or has the name of a secret, however deep."""
    if isinstance(value, Secret):
        yield str(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and PRIVATE.search(str(key)):
                yield inner
            yield from _secrets(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets(inner)
