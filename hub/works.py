"""The composition root's other half: what `fras run` keeps running, and exchanges when hub.yaml changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hub import demo, restoring
from hub.app import Report, School, await_recogniser, enrolments_of, name_school, open_storage, recogniser_instance
from hub.crops import Crops
from hub.db import objections
from hub.db.nodes import Node
from hub.enrolment import Enrolment
from hub.failure import Failure
from hub.inbox import Inbox, Pending, open_inbox
from hub.keeping import Keeping
from hub.moving import keep_moving
from hub.nodes.cameras import with_nodes
from hub.nodes.registry import Registry
from hub.people import Erasure
from hub.picture_keys import keys_of
from hub.pipeline.backlog import Backlog
from hub.pipeline.judge import Judge
from hub.pipeline.overdue import Overdue
from hub.pipeline.pipeline import Pipeline
from hub.plugin import Identifier, Invented, PluginError, Storage
from hub.recognisers import Recognisers, embedders_of, judge_of, remote_galleries_of, routes_of, spare_finder
from hub.registers import Projector
from hub.reloading import Changes, Slot, StorageInUse, changes
from hub.remote_galleries import keep_in_step, leave_former
from hub.retention import Retention
from hub.running import Hub, running
from hub.runtime.awaited import Awaited
from hub.runtime.catalog import Catalog
from hub.runtime.health import State
from hub.runtime.threads import DaemonPool
from hub.runtime.watchdog import Watchdog
from hub.settings import CameraPart, Http, Settings, read_settings
from hub.sweeping import Sweeper

if TYPE_CHECKING:
    from hub.nodes.service import Service

T = TypeVar("T")

logger = logging.getLogger("fras.hub")

DECODERS = 4
TRY_AGAIN = 5.0
"""Seconds between tries to put a recogniser that has opened at last to work."""


def _unsaid(message: str) -> None:
    """Tells nobody."""


class Works:
    """Use `open_works`."""

    def __init__(
        self,
        school: School,
        hub: Hub,
        inbox: Inbox,
        pipeline: Pipeline,
        projector: Projector,
        recognisers: Recognisers,
        judge: Judge,
        storages: Slot[Storage],
        sites: Slot[str] | None,
        nodes: Service | None,
        sweeper: Sweeper,
        served: Report,
        report: Report,
    ) -> None:
        self.hub = hub
        self.nodes = nodes
        self._school = school
        self._inbox = inbox
        self._pipeline = pipeline
        self._projector = projector
        self._recognisers = recognisers
        self._judge = judge
        self._storages = storages
        self._sites = sites
        self._sweeper = sweeper
        self._served = served
        self._report = report
        self._turn = asyncio.Lock()
        self._keeping = Keeping()
        self._following = Keeping()
        self._opened = asyncio.Event()

    @property
    def whole(self) -> bool:
        """False once a reload failed and what ran before could not be opened again either."""
        return not (self._recognisers.empty or self._storages.empty or (self._sites and self._sites.empty))

    async def reload(self) -> Changes:
        """Reads hub.yaml and puts what changed into force; where that asks for the hub anew, nothing has been done.

        Raises config.Invalid, Failure and PluginError; then everything runs as before, if it is still `whole`.
        """
        async with self._turn:
            catalog = Catalog()
            configured = read_settings(self._school.paths.config, catalog)
            everyone = await Registry(self._school.database, self._school.clock).everyone()
            settings = with_nodes(configured, everyone, catalog)
            asked = replace(changes(self._school.settings, settings), again=self._to_try_again())
            if not asked.anew:
                try:
                    await self._exchange(asked, replace(self._school, settings=settings, catalog=catalog))
                    self._school.configured = configured
                    await self._put_into_force(asked, settings, catalog)
                finally:
                    if not self._keeping.at_work and self.whole:
                        await self.keep()
            return asked

    async def follow(self, everyone: Iterable[Node]) -> None:
        """Nodes have come or gone: they are cameras, whose rooms are watched from now on. Raises Failure."""
        async with self._turn:
            settings = with_nodes(self._school.configured, everyone, self._school.catalog)
            asked = changes(self._school.settings, settings)
            await self._put_into_force(asked, settings, self._school.catalog)

    async def _exchange(self, asked: Changes, then: School) -> None:
        """What may fail, each undone if a later one does."""
        if "school" in asked.sections:
            await name_school(then.database, then.settings.school.name)
        async with AsyncExitStack() as pause, AsyncExitStack() as undo:
            rerouted = routes_of(then.settings) != routes_of(self._school.settings)
            if rerouted or asked.again or asked.sections & {"recognizer", "storage", "policy"}:
                await self._keeping.stop()
                await pause.enter_async_context(self._pipeline.paused())
            if self._sites and "http" in asked.sections:
                await self._exchange_slot(
                    self._sites, partial(_site, self._school, then.settings.http, self._storages, self.nodes), undo
                )
            if "storage" in asked.sections:
                await self._exchange_slot(self._storages, partial(open_storage, then), undo)
            if asked.again or "recognizer" in asked.sections:
                undo.push_async_callback(self._judge_as_before)
                await _open_recognisers(then, self._recognisers, again=asked.again)
                as_before = partial(_open_recognisers, self._school, self._recognisers, patient=True)
                undo.push_async_callback(as_before)
            if rerouted or asked.again or asked.sections & {"recognizer", "policy", "cameras"}:
                await self._judge_anew(then)
            undo.pop_all()

    def _to_try_again(self) -> tuple[str, ...]:
        """Recognisers that are not open, or that only a person could help when they were last asked something."""
        now, health = self._recognisers.now, self._school.supervisor.health
        stuck = {name for name in now if health[recogniser_instance(name)].state is State.NEEDS_HUMAN}
        return tuple(name for name in now if name in stuck | self._recognisers.awaited.keys())

    async def _judge_anew(self, school: School) -> None:
        judge = await _judge(school, self._recognisers)
        await _invite(school, judge, self._recognisers, self._storages.now, self._report)
        self._judge.become(judge)

    async def _judge_as_before(self) -> None:
        """With recognisers that may have been opened anew."""
        if not self._recognisers.empty:
            judge = await _judge(self._school, self._recognisers)
            judge.invented = self._judge.invented
            self._judge.become(judge)

    async def _exchange_slot(
        self, slot: Slot[T], opener: Callable[[], AbstractAsyncContextManager[T]], undo: AsyncExitStack
    ) -> None:
        before = slot.opener
        await slot.exchange(opener)
        undo.push_async_callback(slot.exchange, before)

    async def _put_into_force(self, asked: Changes, settings: Settings, catalog: Catalog) -> None:
        """What cannot fail: a camera that does not open says so in its health."""
        self._school.settings, self._school.catalog = settings, catalog
        self._sweeper.keep(settings.keep)
        if self._sites and "http" in asked.sections:
            self._served(self._sites.now)
        if asked.sections & {"timetable", "rules", "cameras"}:
            self._school.registers.follow(settings.timetable, settings.rooms, settings.rules)
            self._projector.look_again()
        await self._school.supervisor.stop(*asked.stopped)
        for camera in asked.started:
            self.start_camera(camera)
        if self.nodes:
            self.nodes.nodes.look_again()

    async def keep(self) -> None:
        """Begins what goes on in the background for the recognisers there are now. Raises DatabaseError and Failure."""
        school, now, storage = self._school, self._recognisers.now, StorageInUse(self._storages)
        jobs: dict[str, Callable[[], Awaitable[None]]] = {}
        for name, enrolment in (await enrolments_of(school, embedders_of(now), storage)).items():
            note = partial(school.supervisor.note, recogniser_instance(name))
            jobs[f"moving to {name}"] = partial(keep_moving, name, enrolment, school.database, school.clock, note)
        galleries = remote_galleries_of(now, school.settings, school.database, storage, school.clock)
        known = [part.gallery for part in school.settings.recognizer.parts]
        models = [one.model.id for one in now.values() if isinstance(one, Identifier)]
        await leave_former(school.database, known, models, school.clock)
        for name, gallery in galleries.items():
            if gallery.open:
                jobs[f"keeping {name} in step"] = partial(keep_in_step, gallery, school.clock)
        for name, awaited in self._recognisers.awaited.items():
            jobs[f"waiting for {name}"] = partial(self._await, awaited)
        self._keeping.start(jobs)
        if not self._following.at_work:
            self._following.start({"putting recognisers to work": self._follow_opened})

    async def keep_no_more(self) -> None:
        await self._following.stop()
        await self._keeping.stop()

    async def _await(self, awaited: Awaited) -> None:
        with suppress(PluginError):  # it is parked, and its health says why
            await awaited.opened()
            self._opened.set()

    async def _follow_opened(self) -> None:
        """Puts recognisers to work that refused to open and have opened since; until cancelled."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            try:
                async with self._turn:
                    await self._keeping.stop()
                    async with self._pipeline.paused():
                        await self._judge_anew(self._school)
                    await self.keep()
            except (PluginError, Failure) as error:
                logger.warning("a recogniser that has opened is not at work yet: %s", error)
                await self._school.clock.sleep(TRY_AGAIN)
                self._opened.set()

    async def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What commands beside the running hub ask of it. Raises Failure."""
        if self.nodes is None:
            raise Failure("this hub serves no nodes", hint="run fras run without --until-done")
        return await self.nodes.answer(question)

    def start_camera(self, camera: CameraPart) -> None:
        spec = self._school.catalog.spec("camera", camera.platform)
        self._school.supervisor.start_camera(
            camera.id, spec, camera.options, self.hub.deliver, self._inbox.acknowledged
        )


@asynccontextmanager
async def open_works(school: School, served: Report | None = None, report: Report = _unsaid) -> AsyncIterator[Works]:
    """Everything that `fras run` runs; the school must be opened with `own`.

    With `served` the web site too, whose address it is told; `report` is told what a slow step is doing.
    """
    clock = school.clock
    async with AsyncExitStack() as stack:
        stack.enter_context(Watchdog(lambda: school.catalog.modules))
        recognisers = await stack.enter_async_context(Recognisers())
        await _open_recognisers(school, recognisers, patient=True)
        judge = await _judge(school, recognisers)
        storages = await stack.enter_async_context(Slot(partial(open_storage, school)))
        await _invite(school, judge, recognisers, storages.now, report)
        inbox = await stack.enter_async_context(
            open_inbox(school.database, school.paths.data / "inbox", clock, time_zone=school.zone)
        )
        threads = DaemonPool("pipeline", size=DECODERS)
        stack.callback(threads.close)
        storage = StorageInUse(storages)
        crops = Crops(school.database, storage, clock, school.settings.keep.crops, keys_of(school.paths.data))
        projector = Projector(school.registers, clock)
        backlog: Backlog[Pending] = Backlog(lane_of=judge.rule_of)
        drawn = partial(_drawn, school)
        overdue = Overdue(clock, school.settings.keep.frames)
        pipeline = Pipeline(inbox, backlog, judge, crops, threads, clock, projector.concluded, drawn, overdue)
        erasure = Erasure(school.database, storage, clock)
        await _heed(school, erasure, report)
        retention = Retention(school.database, school.registers, crops, clock, school.settings.keep.facts)
        sweeper = Sweeper(school.database, projector, crops, erasure, retention, overdue, clock)
        hub = Hub(school.database, inbox, backlog, pipeline, projector, sweeper, clock)
        await stack.enter_async_context(running(hub))
        stack.push_async_callback(_stop_cameras, school)
        stack.callback(school.supervisor.begin_stop)
        sites: Slot[str] | None = None
        nodes = _nodes(school) if served else None
        if served:
            sites = await stack.enter_async_context(Slot(partial(_site, school, school.settings.http, storages, nodes)))
            served(sites.now)
        works = Works(
            school,
            hub,
            inbox,
            pipeline,
            projector,
            recognisers,
            judge,
            storages,
            sites,
            nodes,
            sweeper,
            served or _unsaid,
            report,
        )
        for camera in school.settings.cameras:
            works.start_camera(camera)
        stack.push_async_callback(works.keep_no_more)
        await works.keep()
        if nodes:
            await stack.enter_async_context(nodes.serving(works.follow))
        yield works


@asynccontextmanager
async def open_hub(school: School, served: Report | None = None, report: Report = _unsaid) -> AsyncIterator[Hub]:
    """The running hub for those who will not exchange any of it."""
    async with open_works(school, served, report) as works:
        yield works.hub


def _nodes(school: School) -> Service:
    from hub.nodes.nodes import Nodes  # half a second that other commands need not wait
    from hub.nodes.service import Service

    registry = Registry(school.database, school.clock)
    nodes = Nodes(registry, school.database, school.entrances, lambda: school.settings, school.clock)
    return Service(nodes, school.paths.data, lambda: school.configured, school.clock)


@asynccontextmanager
async def _site(school: School, http: Http, storages: Slot[Storage], nodes: Service | None) -> AsyncIterator[str]:
    """The web site's address, while it is served."""
    from hub.web.server import application, serving  # half a second that other commands need not wait

    app = application(
        database=school.database,
        clock=school.clock,
        settings=lambda: school.settings,
        registers=lambda: school.registers,
        storage=lambda: StorageInUse(storages),
        health=lambda: school.supervisor.health,
        entrances=school.entrances,
        nodes=nodes,
    )
    async with serving(app, http.host, http.port) as address:
        yield address


def _cast(school: School, camera: CameraPart) -> Invented | None:
    return school.catalog.spec("camera", camera.platform).invented


def _drawn(school: School, camera: str) -> bool:
    """Whether this is a demo camera, whose people are invented."""
    return any(part.id == camera and _cast(school, part) for part in school.settings.cameras)


async def _open_recognisers(
    school: School, recognisers: Recognisers, *, again: Collection[str] = (), patient: bool = False
) -> None:
    spare = partial(spare_finder, school.catalog)
    parts = school.settings.recognizer.parts
    await recognisers.follow(parts, spare, partial(await_recogniser, school), again=again, patient=patient)


async def _judge(school: School, recognisers: Recognisers) -> Judge:
    return await judge_of(recognisers.now, school.settings, school.database, school.clock)


async def _invite(school: School, judge: Judge, recognisers: Recognisers, storage: Storage, report: Report) -> None:
    """Enrols the people whom the school's demo cameras show, and lets these cameras see them."""
    casts = {camera.platform: cast for camera in school.settings.cameras if (cast := _cast(school, camera))}
    if not casts or not embedders_of(recognisers.now):
        return
    embedder, policy = judge.first.embedder, judge.first.policy
    enrolment = Enrolment(school.database, embedder, storage, policy, school.clock, keys_of(school.paths.data))
    await demo.seed(school.database, enrolment, school.clock, casts.values(), report)
    judge.invented = await demo.scope(school.database, embedder, policy, school.clock)


async def _heed(school: School, erasure: Erasure, report: Report) -> None:
    """A database that somebody has put back by hand knows no fewer objections than the file beside it."""
    said = school.paths.data / objections.NAME
    objected, erased = await restoring.heed(school.database, erasure, said)
    if removed := await restoring.heed_removals(school.database, said):
        report(f"the database did not know that nodes were removed: {', '.join(removed)}; they are removed again")
    if objected or erased:
        report(
            f"the database did not know of {len(objected)} people's objections and of {len(erased)} removals; "
            "they are in force again"
        )


async def _stop_cameras(school: School) -> None:
    await school.supervisor.stop(*(camera.id for camera in school.settings.cameras))
