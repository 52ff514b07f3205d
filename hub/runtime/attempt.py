"""One opening of a plugin: opened, used and closed by one task, which is watched from outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from hub.plugin import PluginError

from .faults import PluginFault, meaning, summary
from .limits import Limits
from .tasks import Abandoned, put_down, settle

T = TypeVar("T")


class Attempt(Generic[T]):
    """`enter` gives the context manager of the opened plugin, `use` is what to do with it until it ends.

    The plugin's code runs in a task of its own, so that whatever it does to that task (hanging, raising
    SystemExit, swallowing its cancellation) leaves `run`, which belongs to the hub, in charge.
    """

    def __init__(
        self,
        instance_id: str,
        enter: Callable[[], AbstractAsyncContextManager[T]],
        use: Callable[[T, Attempt[T]], Awaitable[None]],
        *,
        limits: Limits,
        abandoned: Abandoned,
        close_cap: Callable[[], float],
        on_open: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._id = instance_id
        self._enter = enter
        self._use = use
        self._limits = limits
        self._abandoned = abandoned
        self._close_cap = close_cap
        self._on_open = on_open
        self._log = logging.getLogger(f"fras.{instance_id}")
        self._time = loop.time
        self._sign_of_life = self._time()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._error: BaseException | None = None
        self.stopping = False
        self.plugin: T | None = None
        self.opened_at: float | None = None

    async def run(self) -> PluginError | None:
        """Sees one opening through; returns why it ended, None when the plugin had nothing more to do.

        Cancelling it closes the plugin and raises CancelledError within the cap for closing.
        """
        task = asyncio.create_task(self._live(), name=f"plugin {self._id}")
        try:
            await self._wait_for_opening(task)
            await asyncio.wait({task, self._over}, return_when=asyncio.FIRST_COMPLETED)
            patience = self._close_cap()
            if not self.stopping:
                await asyncio.wait({task}, timeout=patience)
                self.stopping, patience = True, self._limits.cancel_grace
                if not task.done():
                    self._log.warning("%s: does not finish closing, cancelling it", self._id)
            await self._end(task, patience)
        except asyncio.CancelledError:
            self.stopping = True
            await self._end(task, self._close_cap())
            raise
        finally:
            self.plugin = None
        return None if self._error is None else meaning(self._error)

    def progress(self) -> None:
        """The plugin said what it is doing: it gets the whole cap for opening again."""
        self._sign_of_life = self._time()

    def fail(self, error: PluginError) -> None:
        """Ends this opening with `error`."""
        if self._error is None:
            self._error = error
        self.stopping = True
        settle(self._over)

    @property
    def ran_for(self) -> float:
        """Seconds since it was open; 0 if it never was."""
        return 0.0 if self.opened_at is None else self._time() - self.opened_at

    async def _wait_for_opening(self, task: asyncio.Task[None]) -> None:
        begun, warned = self._time(), False
        while not task.done() and not self._ready.done():
            now = self._time()
            due = self._sign_of_life + self._limits.open_cap
            if now >= due:
                self.fail(
                    PluginFault(
                        f"did not open within {self._limits.open_cap:g} s and said nothing of its progress",
                        hint="the hub tries again",
                    )
                )
                return
            if not warned:
                if now >= begun + self._limits.open_warning:
                    warned = True
                    self._log.warning("%s: still opening after %.0f s", self._id, now - begun)
                else:
                    due = min(due, begun + self._limits.open_warning)
            await asyncio.wait({task, self._ready}, timeout=due - now, return_when=asyncio.FIRST_COMPLETED)

    async def _live(self) -> None:
        try:
            async with self._enter() as plugin:
                if self.stopping:
                    return
                self.plugin = plugin
                self.opened_at = self._time()
                settle(self._ready)
                try:
                    self._on_open()
                    await self._use(plugin, self)
                except BaseException as error:
                    self._note(error)
                    raise
                finally:
                    self.plugin = None
                    settle(self._over)
        except GeneratorExit:
            raise
        except BaseException as error:  # SystemExit would end the event loop if it left the task
            self._note(error)

    def _note(self, error: BaseException) -> None:
        if error is self._error or (self.stopping and isinstance(error, asyncio.CancelledError)):
            return
        # A failing task group first cancels its body and then raises what really happened.
        first = self._error is None or isinstance(self._error, asyncio.CancelledError)
        if self.stopping or not first or (self._error is None and self._over.done()):
            self._log.warning("%s: fault while closing: %s", self._id, summary(error))
            return
        self._error = error
        if not isinstance(error, PluginError):
            self._log.debug("%s: fault of the plugin", self._id, exc_info=error)

    async def _end(self, task: asyncio.Task[None], seconds: float) -> None:
        try:
            await put_down(task, seconds)
        finally:
            if not task.done():
                self._abandoned.add(task)
                self._log.warning("%s: does not stop and is abandoned", self._id)
