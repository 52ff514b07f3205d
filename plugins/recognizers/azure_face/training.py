"""When the group is trained: after changes, once they pause. Azure identifies nobody while it trains."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
"""Seconds that a call waits for trainings in all; then the next one does."""
REST: Final = 60.0
"""Seconds after a training that failed before another is asked for."""
ERASED: Final = "-erased"
"""Ends the notes of deletions."""


@dataclass(slots=True)
class Change:
    """Set `made` once the group may have been changed."""

    made: bool = False


class Training:
    """Remembers in the plugin's folder, a file for each change, what no training has taken in, and which of that the
    one under way takes in: `fras enroll` changes the group and the hub beside it trains; whoever is killed, or gives
    up waiting, leaves the files."""

    def __init__(self, api: FaceApi, context: PluginContext, quiet: float = QUIET) -> None:
        self._api = api
        self._context = context
        self._folder = context.data_folder / "untrained"
        self._under_way = context.data_folder / "training"
        self._quiet = quiet
        self._turn = asyncio.Lock()
        self._failed = ("", 0.0)
        """Why the last training failed, and when another may be asked for."""

    @asynccontextmanager
    async def change(self, *, erases: bool = False) -> AsyncIterator[Change]:
        """Around a change of the group; remembered before it begins, and anew when it is made: a training that began
        meanwhile may not have taken it in."""
        change = Change()
        before = await self._run(lambda: self._note(erases))
        try:
            yield change
        finally:
            if change.made:
                await self._run(lambda: self._note(erases))
            await self._run(lambda: self._drop([before]))

    async def due(self) -> list[str]:
        """The changes that wait, once they are old enough to be taken in."""
        changes = await self._run(self._changes)
        return changes if self._old_enough(changes) else []

    async def erasures_due_in(self) -> float | None:
        """Seconds until the deletions that wait may be taken in; None where none waits."""
        changes = await self._run(self._changes)
        return self._young_for(changes) if any(change.endswith(ERASED) for change in changes) else None

    def until(self) -> float:
        """By when a call that begins now gives up waiting."""
        return self._context.clock.monotonic() + PATIENCE

    async def settle(self, *, now: bool = False, capped: bool = True, until: float | None = None) -> None:
        """Trains if changes are due, or, with `now`, in any case.

        Raises NotReady when that takes until `until`, on the monotonic clock, or fails.
        """
        until = self.until() if until is None else until
        try:
            async with asyncio.timeout(until - self._context.clock.monotonic()):
                await self._turn.acquire()
        except TimeoutError:
            raise _goes_on() from None
        try:
            await self._settle(now, capped, until)
        finally:
            self._turn.release()

    async def unneeded(self, changes: Sequence[str]) -> None:
        """Nobody is enrolled: they need no training, unless they are deletions."""
        await self._run(lambda: self._drop([change for change in changes if not change.endswith(ERASED)]))

    async def emptied(self) -> None:
        """The group was deleted. One note stays, so that other processes look who is in it."""

        def forget() -> None:
            self._drop(self._changes())
            self._under_way.unlink(missing_ok=True)
            self._note(erases=False)

        await self._run(forget)

    async def outside(self, call: Callable[[], Awaitable[T]], *, capped: bool = True, until: float | None = None) -> T:
        """Makes a call that Azure does not take while it trains: when no training is under way, whoever began it.

        Raises NotReady when that takes until `until`, on the monotonic clock.
        """
        clock = self._context.clock
        until = self.until() if until is None else until
        while True:
            try:
                return await call()
            except Declined as refused:
                if refused.code != UNDER_WAY:
                    raise
            if clock.monotonic() >= until:
                raise _goes_on()
            await clock.sleep(FIRST_LOOK)
            await self._wait(until, capped)

    async def _settle(self, now: bool, capped: bool, until: float) -> None:
        clock = self._context.clock
        changes, taken_in = await self._run(lambda: (self._changes(), self._taken_in()))
        if taken_in is None and not now and not self._old_enough(changes):
            return
        if clock.monotonic() >= until:  # somebody else waited for as long
            raise _goes_on()
        if taken_in is None:
            failure, rested = self._failed
            if clock.monotonic() < rested:
                raise _failed(failure)
            while not await self._api.train(capped=capped):
                await self._wait(until, capped)  # for one of before: it may not take in the latest changes
            await self._run(lambda: self._begun(changes))
            taken_in = changes
        failure = await self._wait(until, capped)
        await self._run(lambda: self._ended(taken_in, succeeded=not failure))
        if failure:
            self._failed = (failure, clock.monotonic() + REST)
            raise _failed(failure)

    async def _wait(self, until: float, capped: bool) -> str:
        """Empty when the last training succeeded, else what Azure says of it."""
        clock, look = self._context.clock, FIRST_LOOK
        while True:
            status, message = await self._api.training(capped=capped)
            if status == "succeeded":
                return ""
            if status in ("failed", "none"):  # none: somebody made the group anew
                return message or status
            if clock.monotonic() >= until:
                raise _goes_on()
            await clock.sleep(look)
            look = min(2 * look, LONGEST_LOOK)

    def _old_enough(self, changes: Sequence[str]) -> bool:
        return bool(changes) and self._young_for(changes) <= 0

    def _young_for(self, changes: Sequence[str]) -> float:
        """Seconds until they are old enough; what a clock that was set back left in the future is."""
        now = self._context.clock.now().timestamp()
        times = [int(change.partition("-")[0]) / 1000 for change in changes]
        if abs(now - max(times)) >= self._quiet or abs(now - min(times)) >= LONGEST:
            return 0.0
        return min(max(times) + self._quiet, min(times) + LONGEST) - now

    def _note(self, erases: bool) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        end = ERASED if erases else ""
        note = self._folder / f"{int(self._context.clock.now().timestamp() * 1000)}-{uuid.uuid4().hex}{end}"
        note.touch()
        return note.name

    def _changes(self) -> list[str]:
        try:
            return [note.name for note in self._folder.iterdir()]
        except FileNotFoundError:
            return []

    def _drop(self, changes: Sequence[str]) -> None:
        for change in changes:
            (self._folder / change).unlink(missing_ok=True)

    def _taken_in(self) -> list[str] | None:
        """The changes that the training takes in which is under way; None where we asked for none."""
        try:
            return self._under_way.read_text("utf-8").split()
        except FileNotFoundError:
            return None

    def _begun(self, changes: Sequence[str]) -> None:
        new = self._under_way.with_suffix(".new")
        new.write_text("\n".join(changes), "utf-8")
        new.replace(self._under_way)

    def _ended(self, taken_in: Sequence[str], *, succeeded: bool) -> None:
        if succeeded:
            self._drop(taken_in)
        elif not taken_in:  # it was asked for in any case, and still has to be
            self._note(erases=False)
        self._under_way.unlink(missing_ok=True)

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


def _failed(failure: str) -> NotReady:
    return NotReady(f"training at Azure Face failed: {failure}", hint="the hub tries again")
