"""Keeps the configured plugins running, each apart from the others."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeAlias, TypeVar

from hub.plugin import (
    Camera,
    CameraEvent,
    CameraSpec,
    Config,
    Embedder,
    Identifier,
    Permanent,
    RecognizerSpec,
    Spec,
    Storage,
    StorageSpec,
)

from .attempt import Attempt
from .awaited import Awaited
from .backoff import BackOff
from .catalog import kind_of
from .checks import check_event, check_events, check_model
from .context import Acknowledged, Surroundings, nothing_acknowledged
from .faults import summary
from .guard import Guard, GuardedEmbedder, GuardedIdentifier, GuardedStorage
from .health import Health, OnHealth
from .instance import Instance
from .limits import Limits
from .tasks import Abandoned

T = TypeVar("T")

LAST_MOMENT = 0.2
"""Seconds to close that a well-behaved plugin gets even when others have used up the time for stopping."""

Deliver: TypeAlias = Callable[[str, CameraEvent], Awaitable[None]]
"""Takes an event of a camera; returning acknowledges it, raising has the same event delivered again."""


class Supervisor:
    """Use it as an async context manager; leaving it stops whatever still runs.

    Each plugin is opened, used and closed by one task of its own. A plugin that raises, hangs, returns
    garbage, exits or refuses to be cancelled stops only itself. (One that blocks the event loop stops
    everybody; the watchdog names it.)
    """

    def __init__(
        self, around: Surroundings, *, limits: Limits | None = None, on_health: OnHealth | None = None
    ) -> None:
        self._around = around
        self._limits = limits or Limits()
        self._on_health = on_health
        self._instances: dict[str, Instance[Any]] = {}
        self._stop_by: float | None = None
        self.abandoned = Abandoned()
        """While this is not empty `asyncio.run` would not return: leave by `os._exit` after flushing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.begin_stop()
        await self.stop(*self._instances)

    @property
    def health(self) -> dict[str, Health]:
        """By instance id; stopped ones are gone, finished and parked ones are not."""
        return {instance.id: instance.health.now for instance in self._instances.values()}

    def start_camera(
        self,
        camera_id: str,
        spec: CameraSpec,
        config: Config,
        deliver: Deliver,
        acknowledged: Acknowledged = nothing_acknowledged,
    ) -> None:
        """Begins to deliver the camera's events, one at a time, in order; raises Permanent for an id in use."""

        async def use(camera: Camera, attempt: Attempt[Camera]) -> None:
            await self._pass_on(instance, attempt, camera, deliver)

        instance: Instance[Camera] = self._start(
            camera_id, spec, config, lambda made: isinstance(made, Camera), use, acknowledged
        )

    @asynccontextmanager
    async def open_recognizer(
        self, instance_id: str, spec: RecognizerSpec, config: Config, *, patience: float = math.inf
    ) -> AsyncIterator[GuardedEmbedder | GuardedIdentifier]:
        """Waits until the recogniser is open and closes it afterwards.

        Raises what parks it (NeedsHuman, Permanent), and the last NotReady when it is still not open after
        `patience` seconds; with patience 0 the first failure.
        """
        async with self.await_recognizer(instance_id, spec, config) as awaited:
            yield await awaited.opened(patience)

    @asynccontextmanager
    async def await_recognizer(self, instance_id: str, spec: RecognizerSpec, config: Config) -> AsyncIterator[Awaited]:
        """Begins to open the recogniser, again and again until it is open or parked, and closes it afterwards."""
        instance: Instance[Embedder | Identifier] = self._start(
            instance_id, spec, config, _is_recognizer, _use_until_cancelled
        )
        try:
            yield Awaited(Guard(instance, self._limits, self.abandoned), identifier=spec.identifier)
        finally:
            await self.stop(instance_id)

    @asynccontextmanager
    async def open_storage(
        self, instance_id: str, spec: StorageSpec, config: Config, *, patience: float = math.inf
    ) -> AsyncIterator[GuardedStorage]:
        """Waits until the storage is open and closes it afterwards; raises like `open_recognizer`."""
        instance: Instance[Storage] = self._start(
            instance_id, spec, config, lambda made: isinstance(made, Storage), _use_until_cancelled
        )
        guard = Guard(instance, self._limits, self.abandoned, GuardedStorage.INNOCENT)
        try:
            await instance.ready(patience)
            yield GuardedStorage(guard)
        finally:
            await self.stop(instance_id)

    def note(self, instance_id: str, message: str) -> None:
        """Shows in a plugin's health what the hub is doing with it; empty: nothing any more."""
        if instance := self._instances.get(instance_id):
            instance.health.progress(message)

    async def stop(self, *instance_ids: str) -> None:
        """Stops these plugins, all at once, and forgets them; fine for one that is not there."""
        instances = [self._instances.pop(name) for name in instance_ids if name in self._instances]
        await asyncio.gather(*(instance.stop() for instance in instances))

    def begin_stop(self) -> None:
        """The hub is going down: from now all plugins together have `Limits.stop_cap` to close."""
        if self._stop_by is None:
            self._stop_by = asyncio.get_running_loop().time() + self._limits.stop_cap

    async def ended(self, *instance_ids: str) -> None:
        """Returns once each of these has finished, is parked or was stopped."""
        tasks = {self._instances[name].task for name in instance_ids if name in self._instances}
        if tasks:
            await asyncio.wait(tasks)

    def _close_cap(self) -> float:
        if self._stop_by is None:
            return self._limits.close_cap
        return min(self._limits.close_cap, max(LAST_MOMENT, self._stop_by - asyncio.get_running_loop().time()))

    def _start(
        self,
        instance_id: str,
        spec: Spec,
        config: Config,
        role: Callable[[object], bool],
        use: Callable[[T, Attempt[T]], Awaitable[None]],
        acknowledged: Acknowledged = nothing_acknowledged,
    ) -> Instance[T]:
        if instance_id in self._instances:
            raise Permanent(f"two plugins have the id {instance_id}", hint="give one of them another id")
        instance: Instance[T] = Instance(
            instance_id,
            kind_of(spec),
            spec.open,  # type: ignore[arg-type]  # `role` checks at run time what the spec's type promises
            config,
            role,
            use,
            around=self._around,
            limits=self._limits,
            abandoned=self.abandoned,
            close_cap=self._close_cap,
            on_health=self._on_health,
            acknowledged=acknowledged,
        )
        self._instances[instance_id] = instance
        return instance

    async def _pass_on(
        self, instance: Instance[Camera], attempt: Attempt[Camera], camera: Camera, deliver: Deliver
    ) -> None:
        async with _closing(check_events(camera.events())) as events:
            async for event in events:
                if attempt.stopping:  # a camera that swallows its cancellation comes too late
                    return
                await self._deliver(instance, check_event(event), deliver)
                instance.health.event()
                await asyncio.sleep(0)  # neither a camera nor `deliver` that never waits may starve the loop

    async def _deliver(self, instance: Instance[Camera], event: CameraEvent, deliver: Deliver) -> None:
        back_off = BackOff(self._limits.first_redelivery, self._limits.longest_redelivery)
        log = logging.getLogger(f"fras.{instance.id}")
        level = logging.WARNING
        while True:
            try:
                return await deliver(instance.id, event)
            except Exception as error:
                log.log(level, "%s: the hub could not take an event, trying again: %s", instance.id, summary(error))
                level = logging.DEBUG
            await asyncio.sleep(back_off.next())


@asynccontextmanager
async def _closing(events: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    try:
        yield events
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


def _is_recognizer(made: object) -> bool:
    if isinstance(made, Embedder):
        check_model(made.model)
        return True
    return isinstance(made, Identifier)


async def _use_until_cancelled(plugin: object, attempt: object) -> None:
    await asyncio.Event().wait()
