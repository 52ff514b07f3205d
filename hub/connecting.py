"""Trying every service that hub.yaml names, without starting anything: what `fras check --connect` does."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from config.secret import Secret, redact
from hub.app import Paths
from hub.db.engine import open_database
from hub.db.errors import DatabaseBehind
from hub.failure import Failure
from hub.plugin import NotReady, PluginError
from hub.runtime.catalog import Catalog, Kind
from hub.runtime.context import Context, Surroundings, closing, nothing_acknowledged
from hub.runtime.faults import meaning
from hub.runtime.tasks import Abandoned, put_down
from hub.runtime.threads import DaemonPool
from hub.settings import Part, Settings

PATIENCE = 15.0
"""Seconds for each service; all are tried at once."""
GRACE = 1.0
"""Seconds that an attempt which was given up has to end."""
AGAIN = "look at the network and at the service itself, then try again; a running hub does so by itself"
LOOK = "compare what hub.yaml says of it with its documentation"
"""What to do where nothing better is said: of what may pass, and of what will not."""


@dataclass(frozen=True, slots=True)
class Tried:
    """`message` says what was found, or what is wrong; then `hint` says what to do."""

    service: str
    platform: str
    works: bool
    message: str
    hint: str = ""


async def try_services(
    settings: Settings, catalog: Catalog, paths: Paths, abandoned: Abandoned, patience: float = PATIENCE
) -> list[Tried]:
    """The database and every plugin that has a probe, in the order of hub.yaml. Attempts that do not end are
    `abandoned`."""
    with ExitStack() as stack:
        data = paths.data
        if not data.is_dir():  # before the first start nothing is made, which another user might own
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fras-check-")))
        around = Surroundings(data, paths.base, settings.school.time_zone)
        secrets = frozenset(_secrets([settings.school.database, *(part.options for _, part in _parts(settings))]))
        url = paths.database_url(settings.school.database)
        attempts = [_try("database", "", partial(_database, url), secrets, abandoned, patience)]
        for kind, part in _parts(settings):
            probe = catalog.spec(kind, part.platform).probe
            if probe is not None:
                service = kind if kind != "camera" and part.id == part.platform else f"{kind} {part.id}"
                call = partial(_probe, probe, kind, part, around)
                attempts.append(_try(service, part.platform, call, secrets, abandoned, patience))
        return await asyncio.gather(*attempts)


def _parts(settings: Settings) -> Iterator[tuple[Kind, Part]]:
    for recognizer in settings.recognizer.parts:
        yield "recognizer", recognizer
    yield "storage", settings.storage
    for camera in settings.cameras:
        yield "camera", camera


async def _database(url: str) -> str:
    scheme, _, file = url.partition("sqlite:///")
    if not scheme and not _is_file(Path(file)):
        return _unmade(Path(file))
    try:
        async with open_database(url, read_only=True) as database:
            return f"answers; faces are compared {'in it, by pgvector' if database.searches else 'in memory'}"
    except DatabaseBehind:
        return "answers; its tables are brought up to date at the next start"
    except OSError as error:
        raise Failure(
            f"it cannot be reached: {error.strerror or error}",
            hint="look at the address at hub->database, the network, and whether the server runs",
        ) from None


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # opening it says why
        return True


def _unmade(file: Path) -> str:
    """Raises Failure for a place where no database will be."""
    if file.is_dir():
        raise Failure(f"{file} is a folder", hint="name a file at hub->database")
    folder = next(above for above in file.parents if above.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise Failure(
            f"{file} cannot be made: {folder} is {'not to be written' if folder.is_dir() else 'a file'}",
            hint="give the user that runs fras the right to write there, or name another file at hub->database",
        )
    return "the file is made at the first start"


async def _probe(probe: Callable[[Any, Any], Awaitable[str]], kind: Kind, part: Part, around: Surroundings) -> str:
    pool = DaemonPool(f"fras.{part.id}")
    try:
        folder = around.folder_of(kind, part.id)
        async with closing(
            Context(part.id, folder, around, pool, lambda message: None, nothing_acknowledged)
        ) as context:
            return str(await probe(part.options, context))
    finally:
        pool.close()


async def _try(
    service: str,
    platform: str,
    call: Callable[[], Awaitable[str]],
    secrets: frozenset[str],
    abandoned: Abandoned,
    patience: float,
) -> Tried:
    outcome: list[str | BaseException] = []
    task = asyncio.create_task(_into(outcome, call), name=f"trying {service}")
    try:
        await asyncio.wait({task}, timeout=patience)
        late = not task.done()
    finally:
        if not await put_down(task, GRACE):
            abandoned.add(task)
    if late:
        return Tried(
            service, platform, False, f"no answer within {patience:g} s", "look at the network, and its address"
        )
    (found,) = outcome
    if isinstance(found, str):
        return Tried(service, platform, True, _line(found, secrets))
    said = found if isinstance(found, Failure | PluginError) else meaning(found)
    hint = said.hint or (AGAIN if isinstance(said, NotReady) else LOOK)
    return Tried(service, platform, False, _line(said.message, secrets), _line(hint, secrets))


async def _into(outcome: list[str | BaseException], call: Callable[[], Awaitable[str]]) -> None:
    try:
        outcome.append(await call())
    except GeneratorExit:
        raise
    except BaseException as error:  # SystemExit would end the event loop if it left the task
        outcome.append(error)


def _line(text: str, secrets: frozenset[str]) -> str:
    return redact(" ".join(text.split()), secrets)


def _secrets(value: Any) -> Iterator[str]:
    """Every value that came from `!secret` or `!env_var`, however deep."""
    if isinstance(value, Secret):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets(inner)
