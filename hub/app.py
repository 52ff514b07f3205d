"""The composition root: it wires what every command works on; hub/works.py what `fras run` keeps running.

Everything is a context manager: what a command needs it opens, and leaving closes it in reverse.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from hub import restoring
from hub.backup import Backup
from hub.calibrating import Stale, stale_calibration
from hub.db import copying, objections
from hub.db import school as school_name
from hub.db.copying import Copied
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseError
from hub.db.nodes import Node
from hub.enrolling import Enrolments
from hub.enrolment import Enrolment
from hub.failure import Failure
from hub.lock import lock_data_folder
from hub.nodes.cameras import with_nodes
from hub.nodes.entrances import Entrances
from hub.nodes.registry import Registry
from hub.people import Erasure
from hub.picture_keys import keys_of
from hub.pipeline.judge import Judge
from hub.plugin import Clock, Embedder, PluginError, Storage, SystemClock
from hub.policies import enrolment_policy, policy_for
from hub.recognisers import (
    Recogniser,
    Recognisers,
    embedders_of,
    judge_of,
    open_recognisers,
    remote_galleries_of,
    spare_finder,
    unable,
)
from hub.registers import Registers
from hub.remote_galleries import RemoteGallery, adopt
from hub.restoring import Restored, Since, refuse_half_restored
from hub.runtime.awaited import Awaited
from hub.runtime.catalog import Catalog, Kind
from hub.runtime.context import Surroundings
from hub.runtime.health import Health
from hub.runtime.supervisor import Supervisor
from hub.settings import Part, RecognizerPart, Settings, read_settings
from hub.stranded import ADVICE, stranded

logger = logging.getLogger("fras.hub")

Report = Callable[[str], None]
"""Tells a waiting person what a slow step is doing."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where this school's files are. `base` is where relative paths of hub.yaml start."""

    config: Path
    data: Path

    @classmethod
    def of(cls, config: Path, data: Path | None) -> Paths:
        config = config.absolute()
        return cls(config, data.absolute() if data else config.parent / "data")

    @property
    def base(self) -> Path:
        return self.config.parent

    def database_url(self, configured: str) -> str:
        """The configured URL, with a SQLite file's relative path resolved against the data folder."""
        scheme, found, path = configured.partition("sqlite:///")
        return f"sqlite:///{self.data / path}" if found and not scheme else configured

    def database_file(self, configured: str) -> Path:
        """The file of a configured SQLite database. Raises Failure for another kind."""
        scheme, found, path = configured.partition("sqlite:///")
        if scheme or not found:
            raise Failure(
                "fras backup and fras restore are for SQLite databases",
                hint="keep PostgreSQL with pg_dump, and the pictures with what your storage offers",
            )
        return self.data / path


@dataclass(slots=True)
class School:
    """What every command works on. `settings` and `catalog` are exchanged when a running hub reloads hub.yaml.

    `configured` is hub.yaml alone; `settings` has the cameras of nodes besides, which the database knows.
    """

    paths: Paths
    configured: Settings
    settings: Settings
    catalog: Catalog
    database: Database
    registers: Registers
    supervisor: Supervisor
    clock: Clock
    entrances: Entrances

    @property
    def zone(self) -> ZoneInfo:
        return self.settings.school.time_zone

    def today(self) -> date:
        return self.clock.now().astimezone(self.zone).date()


@asynccontextmanager
async def open_school(
    paths: Paths, *, read_only: bool = False, own: bool = False, report: Report = lambda message: None
) -> AsyncIterator[School]:
    """Configuration, database and plugin runtime.

    `read_only` works beside a running hub and changes nothing; `own` takes data folder and database for this hub alone.
    Raises config.Invalid, Failure and PluginError.
    """
    catalog = Catalog()
    configured = read_settings(paths.config, catalog)
    clock = SystemClock()
    zone = configured.school.time_zone
    async with AsyncExitStack() as stack:
        _reach(paths.data, make=not read_only)
        if own:
            stack.enter_context(lock_data_folder(paths.data))
        refuse_half_restored(paths.data)
        url = paths.database_url(configured.school.database)
        objecting = paths.data / objections.NAME
        opened = open_database(url, read_only=read_only, own=own, objections=objecting)
        database = await stack.enter_async_context(opened)
        if not read_only:
            await name_school(database, configured.school.name)
            parts = configured.recognizer.parts
            services = [part for part in parts if catalog.spec("recognizer", part.platform).identifier]
            await adopt(database, {part.id: part.gallery for part in services})
        settings = with_nodes(configured, await Registry(database, clock).everyone(), catalog)
        entrances = Entrances()
        around = Surroundings(paths.data, paths.base, zone, clock, entrances)
        supervisor = await stack.enter_async_context(Supervisor(around, on_health=_Progress(report)))
        registers = Registers(database, settings.timetable, settings.rooms, settings.rules, zone, clock)
        yield School(paths, configured, settings, catalog, database, registers, supervisor, clock, entrances)


async def known_nodes(paths: Paths, settings: Settings) -> list[Node]:
    """The nodes that a school's SQLite database knows; none where there is none that can be read now."""
    url = paths.database_url(settings.school.database)
    if not url.startswith("sqlite:"):
        return []
    with suppress(DatabaseError):
        async with open_database(url, read_only=True) as database:
            return await Registry(database, SystemClock()).everyone()
    return []


async def stale_thresholds(paths: Paths, settings: Settings) -> Stale | None:
    """The calibration of a school's SQLite database, if there is one that can be read now and no longer fits."""
    url = paths.database_url(settings.school.database)
    if url.startswith("sqlite:"):
        with suppress(DatabaseError):
            async with open_database(url, read_only=True) as database:
                return await stale_calibration(database)
    return None


@asynccontextmanager
async def open_recogniser(school: School, part: RecognizerPart) -> AsyncIterator[Recogniser]:
    """One of those configured. Raises PluginError when it cannot be opened now."""
    spec = school.catalog.spec("recognizer", part.platform)
    name = recogniser_instance(part.id)
    async with school.supervisor.open_recognizer(name, spec, part.options, patience=0) as opened:
        yield opened


@asynccontextmanager
async def await_recogniser(school: School, part: RecognizerPart) -> AsyncIterator[Awaited]:
    """The same, tried once at least; where it refuses, the supervisor tries it again as far as that makes sense."""
    spec = school.catalog.spec("recognizer", part.platform)
    name = recogniser_instance(part.id)
    async with school.supervisor.await_recognizer(name, spec, part.options) as awaited:
        with suppress(PluginError):
            await awaited.opened(patience=0)
        yield awaited


@asynccontextmanager
async def open_all_recognisers(school: School) -> AsyncIterator[Recognisers]:
    """All that are configured; those that do not open say why and are awaited. Raises PluginError where nothing finds
    faces now."""
    opener, spare = partial(await_recogniser, school), partial(spare_finder, school.catalog)
    async with open_recognisers(school.settings.recognizer.parts, spare, opener) as recognisers:
        yield recognisers


@asynccontextmanager
async def open_embedders(school: School) -> AsyncIterator[dict[str, Embedder]]:
    """Those of the recognisers that give embeddings and work now, by id. Raises PluginError where there is none."""
    async with open_all_recognisers(school) as recognisers:
        yield embedders_of(recognisers.now)


@asynccontextmanager
async def open_storage(school: School) -> AsyncIterator[Storage]:
    """The one hub.yaml names; what waits for another is said. Raises PluginError when it cannot be opened now."""
    part = school.settings.storage
    spec = school.catalog.spec("storage", part.platform)
    async with school.supervisor.open_storage(_id_of("storage", part), spec, part.options, patience=0) as storage:
        around = Surroundings(school.paths.data, school.paths.base, school.zone)
        for waits in await asyncio.to_thread(stranded, around, school.settings):
            logger.warning("%s; %s", waits, ADVICE)
        yield storage


@asynccontextmanager
async def open_judge(school: School) -> AsyncIterator[Judge]:
    """The recognisers, the galleries and the policies. Raises PluginError where nothing finds faces now."""
    async with open_all_recognisers(school) as recognisers:
        yield await judge_of(recognisers.now, school.settings, school.database, school.clock)


@asynccontextmanager
async def open_enrolment(school: School) -> AsyncIterator[Enrolments]:
    """What `fras enroll` needs beside the school. Raises PluginError where nothing finds faces now."""
    async with open_all_recognisers(school) as recognisers, open_storage(school) as storage:
        made = await enrolments_of(school, embedders_of(recognisers.now), storage)
        settings, database, clock = school.settings, school.database, school.clock
        galleries = remote_galleries_of(recognisers.now, settings, database, storage, clock)
        yield Enrolments(made, galleries, unable(recognisers.now, settings))


async def enrolments_of(school: School, embedders: Mapping[str, Embedder], storage: Storage) -> dict[str, Enrolment]:
    """Enrolment for each of these. Raises DatabaseError."""
    made, keys = {}, keys_of(school.paths.data)
    for name, embedder in embedders.items():
        policy = await policy_for(school.database, embedder.model, school.settings.policy_of(name))
        made[name] = Enrolment(school.database, embedder, storage, enrolment_policy(policy), school.clock, keys)
    return made


@asynccontextmanager
async def open_remote_galleries(school: School) -> AsyncIterator[dict[str, RemoteGallery]]:
    """What the services among the recognisers hold, by id. Raises PluginError and Failure."""
    async with open_all_recognisers(school) as recognisers, open_storage(school) as storage:
        yield remote_galleries_of(recognisers.now, school.settings, school.database, storage, school.clock)


@asynccontextmanager
async def open_erasure(school: School) -> AsyncIterator[Erasure]:
    """What taking leave of somebody needs beside the school."""
    async with open_storage(school) as storage:
        yield Erasure(school.database, storage, school.clock)


@asynccontextmanager
async def open_backup(paths: Paths) -> AsyncIterator[Backup]:
    """What `fras backup` copies; works beside a running hub."""
    async with open_school(paths, read_only=True) as school, open_storage(school) as storage:
        name, files = school.settings.school.name, school.settings.files
        database = paths.database_file(school.settings.school.database)
        yield Backup(name, database, paths.data, paths.base, files, storage, school.clock)


async def restore(paths: Paths, file: Path, *, force: bool = False, report: Report = lambda message: None) -> Restored:
    """Puts the school kept in the backup `file` into the data folder, and its configuration where there is none.

    Raises config.Invalid, Failure and PluginError; then the data folder is as it was.
    """
    clock = SystemClock()
    with lock_data_folder(paths.data), restoring.unpacking(paths.data) as folder:
        restoring.refuse_occupied(paths.data, force)
        report("verifying the backup")
        manifest = await restoring.unpack(file, folder)
        with restoring.configuration(folder / "config", paths.config) as kept:
            catalog = Catalog()
            settings = read_settings(paths.config, catalog)
            new = folder / "new"
            new.mkdir(mode=0o700)
            frames = restoring.stage_inbox(folder, new / "inbox")
            database = paths.database_file(settings.school.database)
            staged = restoring.stage_database(folder, new, paths.data, database, force)
            await restoring.prepare_database(staged)
            told = restoring.stage_objections(folder, new, paths.data)
            keys = restoring.stage_keys(folder, new, paths.data)
            restoring.stage_marks(folder, new, paths.data)
            report("putting pictures into storage")
            around = Surroundings(new, paths.base, settings.school.time_zone, clock)
            part = settings.storage
            spec = catalog.spec("storage", part.platform)
            async with (
                Supervisor(around) as supervisor,
                supervisor.open_storage(_id_of("storage", part), spec, part.options, patience=0) as storage,
            ):
                pictures = await restoring.fill(storage, folder / "storage")
                objecting = new / objections.NAME
                async with open_database(f"sqlite:///{staged}", objections=objecting) as brought_back:
                    erasure = Erasure(brought_back, storage, clock)
                    objected, erased = await restoring.heed(brought_back, erasure, objecting)
                    removed = await restoring.heed_removals(brought_back, objecting)
                    await restoring.renew_credentials(brought_back)
            aside = restoring.exchange(paths.data, new, staged, database, clock.now())
    since = Since(objected, erased, removed, told)
    return Restored(manifest, pictures, frames, aside, tuple(kept), since, keys)


async def copy_database(paths: Paths, target: str, report: Report) -> list[Copied]:
    """Copies the school's database into the empty one at the URL `target`, while no hub runs on it.

    Raises config.Invalid and Failure.
    """
    settings = read_settings(paths.config, Catalog())
    with lock_data_folder(paths.data):
        refuse_half_restored(paths.data)
        source = paths.database_url(settings.school.database)
        return await copying.copy(source, paths.database_url(target), report)


def recogniser_instance(name: str) -> str:
    """The supervisor's name for the recogniser with this id."""
    return f"recognizer {name}"


def _id_of(kind: Kind, part: Part) -> str:
    """The supervisor's name for a plugin that is no camera; cameras' ids hold no space, so none can be the same."""
    return f"{kind} {part.id}"


async def name_school(database: Database, name: str) -> None:
    """The name hub.yaml gives the school, in the database too. Raises DatabaseError."""
    async with database.read() as connection:
        known = await school_name.name_of(connection)
    if known != name:
        async with database.write() as connection:
            await school_name.rename(connection, name)


def _reach(folder: Path, *, make: bool) -> None:
    """Raises Failure for a data folder that cannot be made or looked into; without `make` it may be missing."""
    try:
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.scandir(folder).close()
    except (FileExistsError, NotADirectoryError):
        raise Failure(
            f"the data folder {folder} is a file, or lies below one", hint="choose another folder with --data"
        ) from None
    except OSError as error:
        raise Failure(
            f"the data folder {folder} cannot be used: {error.strerror}",
            hint="give the user that runs fras the right to write there, or choose another with --data",
        ) from None


class _Progress:
    """Passes on what a plugin's slow set-up says it is doing, each message once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._said: dict[str, str] = {}

    def __call__(self, instance: str, health: Health) -> None:
        if health.progress and self._said.get(instance) != health.progress:
            self._report(health.progress)
        self._said[instance] = health.progress
