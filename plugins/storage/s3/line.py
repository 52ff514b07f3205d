"""Calls to the bucket from the event loop: each bounded in time, and none while the bucket is known to be away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError

from hub.plugin import NotFound, NotReady, PluginContext, PluginError

from .meanings import Away, Refused, meaning
from .options import Options
from .spool import Busy
from .wires import Wire

T = TypeVar("T")

LONGEST_CALL: Final = 60.0
"""Seconds for a call with all its tries, well below the hub's own cap."""
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0


class Line:
    """After a failure that concerns every call, calls fail at once, with the same reason, until the next try."""

    def __init__(self, context: PluginContext, options: Options, *, log: bool = True) -> None:
        self._context = context
        self._log = log
        self._options = options
        self._failures = 0
        self._retry_at = 0.0
        self.trouble: PluginError | None = None
        """Why the bucket cannot be used, None while it can."""

    @property
    def wait(self) -> float:
        """Seconds until the bucket is tried again; 0 while it works."""
        return max(0.0, self._retry_at - self._context.clock.monotonic()) if self.trouble else 0.0

    async def call(self, function: Callable[[], T], more: float = 0.0) -> T:
        """The result of `function`, run in one of the plugin's threads; when it runs for longer than LONGEST_CALL and
        so many seconds more, or is cancelled, its connections are cut.

        Raises PluginError, NotFound and Refused among it, and what `function` raises of the spool: Busy, OSError.
        """
        self._refuse_meanwhile()
        wire = Wire()
        loop = asyncio.get_running_loop()
        late: asyncio.TimerHandle | None = None

        def started() -> None:
            nonlocal late
            if not wire.is_cut:
                late = loop.call_later(LONGEST_CALL + more, wire.cut)

        def run() -> T:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(started)
            self._refuse_meanwhile()  # while it waited for a thread
            try:
                with wire.in_use():
                    return function()
            except Exception as error:
                told = self._told(error, wire)
            raise told  # out here it has no context, which would keep connections open and pictures in memory

        try:
            result = await self._context.run_blocking(run)
        except asyncio.CancelledError:
            wire.cut()
            raise
        except (NotFound, Refused):
            self._works()
            raise
        except PluginError as error:
            self._fails(error)
            raise
        finally:
            if late is not None:
                late.cancel()
        self._works()
        return result

    def _refuse_meanwhile(self) -> None:
        if (trouble := self.trouble) is not None and self.wait > 0:
            raise _like(trouble)

    async def aside(self, function: Callable[[], T]) -> T:
        """The result of `function`, which asks the bucket nothing and tells nothing of it. Raises PluginError."""
        try:
            return await self._context.run_blocking(function)
        except BotoCoreError as error:
            raise meaning(error, self._options) from None

    def _told(self, error: Exception, wire: Wire) -> Exception:
        if wire.is_cut:  # whatever that made of the answer
            return Away(f"{self._options.where} does not answer in time")
        if isinstance(error, PluginError):
            return _like(error)
        if isinstance(error, Busy) or (isinstance(error, OSError) and not isinstance(error, BotoCoreError)):
            return error  # such an OSError is of this machine's disk
        self._context.logger.debug("a call failed", exc_info=error)
        return meaning(error, self._options)

    def _works(self) -> None:
        if self.trouble is not None:
            self._context.logger.info("%s works again", self._options.where)
        self.trouble, self._failures = None, 0

    def _fails(self, error: PluginError) -> None:
        if type(error) is NotReady:  # the hub's: too many calls wait, which says nothing about the bucket
            return
        if self.wait > 0:  # it was under way when another failed, and is no try of its own
            return
        if self._log and (self.trouble is None or str(self.trouble) != str(error)):
            self._context.logger.warning("%s; what is put meanwhile waits on this machine", error)
        self.trouble = _like(error)
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures, 10))
        self._failures += 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 (nothing secret)
        self._retry_at = self._context.clock.monotonic() + longest * jitter


def _like(error: PluginError) -> PluginError:
    """The same without its traceback, which would grow each time it is raised and keep pictures alive."""
    return type(error)(error.message, hint=error.hint)
