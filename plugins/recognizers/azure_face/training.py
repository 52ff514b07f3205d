"""When the group is trained: after changes, once they pause. Azure identifies nobody while it trains."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from hub.plugin import NeedsHuman, NotReady, PluginContext

from .api import UNDER_WAY, FaceApi
from .errors import Declined

T = TypeVar("T")

QUIET: Final = 10.0
"""Seconds without a change after which the group is trained."""
LONGEST: Final = 120.0
"""Seconds after which it is trained although changes go on."""
FIRST_LOOK: Final = 0.5
LONGEST_LOOK: Final = 5.0
"""Seconds between looks at a training under way."""
PATIENCE: Final = 60.0
"""Seconds that a caller waits for a training; then the next one does."""


@dataclass(slots=True)
class Change:
    """Set `made` to False where nothing was changed after all."""

    made: bool = True


class Training:
    """Remembers in the plugin's folder, a file for each change, what no training has taken in: `fras enroll` changes
    the group and the hub beside it trains; whoever is killed leaves the files."""

    def __init__(self, api: FaceApi, context: PluginContext, quiet: float = QUIET) -> None:
        self._api = api
        self._context = context
        self._folder = context.data_folder / "untrained"
        self._quiet = quiet
        self._turn = asyncio.Lock()
        self._under_way: list[str] | None = None
        """Changes that the training we asked for takes in."""

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Change]:
        """Around a change of the group; remembered before it begins, and anew when it is made: a training that began
        meanwhile may not have taken it in."""
        change = Change()
        before = await self._run(self._note)
        try:
            yield change
        finally:
            if change.made:
                await self._run(self._note)
            await self._run(lambda: self._drop([before]))

    async def due(self) -> list[str]:
        """The changes that wait, once they are old enough to be taken in."""
        changes = await self._run(self._changes)
        return changes if self._old_enough(changes) else []

    async def settle(self, *, now: bool = False) -> None:
        """Trains if changes are due, or, with `now`, in any case.

        Raises NotReady when that takes long, or fails.
        """
        async with self._turn:
            until = self._context.clock.monotonic() + PATIENCE
            changes = await self._run(self._changes)
            if self._under_way is None and (now or self._old_enough(changes)):
                while not await self._api.train():
                    await self._wait(until)  # for one of before: it may not take in the latest changes
                self._under_way = changes
            if self._under_way is not None:
                failure = await self._wait(until)
                taken_in, self._under_way = self._under_way, None
                if failure:
                    raise NotReady(f"training at Azure Face failed: {failure}", hint="the hub tries again")
                await self.forget(taken_in)

    async def forget(self, changes: list[str]) -> None:
        """They need no training any more."""
        await self._run(lambda: self._drop(changes))

    async def outside(self, call: Callable[[], Awaitable[T]]) -> T:
        """Makes a call that Azure does not take while it trains: when no training is under way, whoever began it.

        Raises NotReady when that takes long.
        """
        clock = self._context.clock
        until = clock.monotonic() + PATIENCE
        while True:
            try:
                return await call()
            except Declined as refused:
                if refused.code != UNDER_WAY:
                    raise
            if clock.monotonic() >= until:
                raise _goes_on()
            await clock.sleep(FIRST_LOOK)
            await self._wait(until)

    async def _wait(self, until: float) -> str:
        """Empty when the last training succeeded, else what Azure says of it."""
        clock, look = self._context.clock, FIRST_LOOK
        while True:
            status, message = await self._api.training()
            if status in ("succeeded", "failed"):
                return "" if status == "succeeded" else message or status
            if clock.monotonic() >= until:
                raise _goes_on()
            await clock.sleep(look)
            look = min(2 * look, LONGEST_LOOK)

    def _old_enough(self, changes: list[str]) -> bool:
        if not changes:
            return False
        now = self._context.clock.now().timestamp()
        times = [int(change.partition("-")[0]) / 1000 for change in changes]
        return abs(now - max(times)) >= self._quiet or abs(now - min(times)) >= LONGEST

    def _note(self) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        note = self._folder / f"{int(self._context.clock.now().timestamp() * 1000)}-{uuid.uuid4().hex}"
        note.touch()
        return note.name

    def _changes(self) -> list[str]:
        try:
            return [note.name for note in self._folder.iterdir()]
        except FileNotFoundError:
            return []

    def _drop(self, changes: list[str]) -> None:
        for change in changes:
            (self._folder / change).unlink(missing_ok=True)

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await self._context.run_blocking(call)
        except OSError as error:
            raise NeedsHuman(
                f"what is to be trained at Azure Face cannot be remembered: {error.strerror}",
                hint=f"give the hub's user the right to write {self._folder}",
            ) from None


def _goes_on() -> NotReady:
    return NotReady("training at Azure Face goes on", hint="nobody is recognised until it is done")
