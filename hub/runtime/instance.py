"""One configured plugin, opened again and again until it is stopped, has finished or needs a person."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from hub.plugin import Config, NotReady, PluginContext, PluginError

from .attempt import Attempt
from .backoff import BackOff
from .checks import Garbage
from .context import Acknowledged, Context, Surroundings, closing, nothing_acknowledged
from .health import HealthKeeper, OnHealth, State, state_after
from .limits import Limits
from .tasks import Abandoned
from .threads import DaemonPool

T = TypeVar("T")


class Instance(Generic[T]):
    """`use` is what to do with the plugin while it is open; returning means it has finished."""

    def __init__(
        self,
        instance_id: str,
        kind: str,
        open_plugin: Callable[[Config, PluginContext], AbstractAsyncContextManager[T]],
        config: Config,
        role: Callable[[object], bool],
        use: Callable[[T, Attempt[T]], Awaitable[None]],
        *,
        around: Surroundings,
        limits: Limits,
        abandoned: Abandoned,
        close_cap: Callable[[], float],
        on_health: OnHealth | None = None,
        acknowledged: Acknowledged = nothing_acknowledged,
    ) -> None:
        self.id = instance_id
        self._kind = kind
        self._open = open_plugin
        self._config = config
        self._role = role
        self._use = use
        self._around = around
        self._limits = limits
        self._abandoned = abandoned
        self._close_cap = close_cap
        self._acknowledged = acknowledged
        self._loop = asyncio.get_running_loop()
        self._log = logging.getLogger(f"fras.{instance_id}")
        self._pool = DaemonPool(f"fras.{instance_id}")
        self._changed = asyncio.Event()
        self._error: PluginError | None = None
        self._attempt: Attempt[T] | None = None
        self.health = HealthKeeper(instance_id, around.clock, on_health)
        self.task = asyncio.create_task(self._mind(), name=f"minder of {instance_id}")

    async def stop(self) -> None:
        """Closes the plugin within the cap; afterwards it is stopped, unless it had ended already."""
        self.task.cancel()
        await asyncio.wait({self.task})

    async def ready(self, patience: float) -> T:
        """The opened plugin; raises what parked it, or, after `patience` seconds, NotReady saying why.

        With no patience at all the first failure is raised, however long the opening before it took.
        """
        deadline = self._loop.time() + patience
        while True:
            if self._attempt is not None and self._attempt.plugin is not None:
                return self._attempt.plugin
            self._changed.clear()
            if self.task.done():
                raise self._again or NotReady(f"{self.id} is stopped")
            left = deadline - self._loop.time()
            if left <= 0 and self._again is not None:
                raise self._again
            try:
                async with asyncio.timeout(left if left > 0 else None):
                    await self._changed.wait()
            except TimeoutError:
                if self._error is None:
                    raise NotReady(f"{self.id} is not open yet") from None

    @property
    def error(self) -> PluginError | None:
        """Why the last opening failed, None once one has not."""
        return self._error

    @property
    def _again(self) -> PluginError | None:
        """The same to be raised; without what earlier raising has left in it, which would grow with each."""
        return self._error and self._error.with_traceback(None)

    @property
    def opening(self) -> object:
        """What tells one opening from the next."""
        return self._attempt

    def reopen(self, opening: object, error: PluginError) -> None:
        """Gives `opening` up because of `error`; a new one follows, if it has not already."""
        if self._attempt is not None and self._attempt is opening:
            self._attempt.fail(error)

    async def _mind(self) -> None:
        back_off = BackOff(self._limits.first_retry, self._limits.longest_retry)
        try:
            while True:
                error = await self._once()
                if error is None:
                    return self.health.finished()
                self.health.down(error)
                self._error = error
                if state_after(error) is not State.RETRYING:
                    return None
                if self._ran_for >= self._limits.good_run:
                    back_off.reset()
                self._changed.set()
                await asyncio.sleep(back_off.next())
                self.health.restarting()
        except asyncio.CancelledError:
            self.health.stopped()
            raise
        finally:
            self._attempt = None
            self._pool.close()
            self._changed.set()

    async def _once(self) -> PluginError | None:
        self._attempt = Attempt(
            self.id,
            self._enter,
            self._use,
            limits=self._limits,
            abandoned=self._abandoned,
            close_cap=self._close_cap,
            on_open=self._opened,
        )
        try:
            return await self._attempt.run()
        finally:
            self._ran_for = self._attempt.ran_for
            self._attempt = None

    def _opened(self) -> None:
        self._error = None
        self.health.running()
        self._changed.set()

    @asynccontextmanager
    async def _enter(self) -> AsyncIterator[T]:
        attempt = self._attempt

        def progress(message: str) -> None:
            """May be called from any thread, even one that outlives the hub."""
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._note_progress, attempt, str(message))

        name = self.id.rpartition(" ")[2]  # what is no camera has its kind before its name
        folder = self._around.folder_of(self._kind, name)
        context = Context(name, folder, self._around, self._pool, progress, self._acknowledged)
        async with closing(context), _manager(self._open(self._config, context)) as plugin:
            if not self._role(plugin):
                raise Garbage(f"open() gave a {type(plugin).__name__}, which is no {self._kind}")
            yield plugin

    def _note_progress(self, attempt: Attempt[T] | None, message: str) -> None:
        if attempt is not None and attempt is self._attempt:
            attempt.progress()
            self.health.progress(message)


def _manager(opened: Any) -> AbstractAsyncContextManager[Any]:
    if isinstance(opened, AbstractAsyncContextManager):
        return opened
    if asyncio.iscoroutine(opened):
        opened.close()
    raise Garbage(
        f"open() returned a {type(opened).__name__} instead of an async context manager"
        " (contextlib.asynccontextmanager makes one)"
    )
