"""What a changed hub.yaml asks of a running hub, and exchanging what runs for what it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Generic, TypeVar

from hub.plugin import NotReady, Storage
from hub.settings import CameraPart, Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changes:
    """`anew`: keys that the whole hub must start anew for. `sections`: fields of Settings that differ.

    `stopped` and `started` are cameras; one whose options changed is among both. A camera that only watches another
    room goes on. `again` are recognisers that were not open, or in need of a person, and have been tried again.
    """

    anew: tuple[str, ...]
    sections: frozenset[str]
    stopped: tuple[str, ...]
    started: tuple[CameraPart, ...]
    again: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sections)

    def told(self) -> tuple[str, ...]:
        """A line for each change."""
        again = tuple(f"recognizer {name}: tried again" for name in self.again)
        if not self:
            return again or ("nothing has changed",)
        if self.anew:
            return tuple(f"{key} has changed: the hub starts anew" for key in self.anew)
        started = {camera.id for camera in self.started}
        lines = [*again, *(f"{name}: {_SAYINGS[name]}" for name in _SAYINGS if name in self.sections)]
        lines += [f"camera {camera}: removed" for camera in self.stopped if camera not in started]
        lines += [
            f"camera {camera.id}: {'restarted' if camera.id in self.stopped else 'added'}" for camera in self.started
        ]
        return tuple(lines) or ("cameras: rooms in force",)


_SAYINGS = {
    "school": "name in force",
    "http": "listens anew",
    "nodes": "in force",
    "recognizer": "restarted",
    "storage": "restarted",
    "keep": "in force",
    "policy": "in force",
    "rules": "in force",
    "timetable": "in force",
}


def changes(old: Settings, new: Settings) -> Changes:
    """What differs; equal settings differ in nothing, wherever in the file they stand."""
    anew = [f"hub->{key}" for key in ("database", "time_zone") if getattr(old.school, key) != getattr(new.school, key)]
    compared = [field.name for field in fields(Settings) if field.compare]
    before = {camera.id: camera for camera in old.cameras}
    after = {camera.id: camera for camera in new.cameras}
    same = {name for name in before.keys() & after.keys() if _runs_alike(before[name], after[name])}
    return Changes(
        tuple(anew),
        frozenset(name for name in compared if getattr(old, name) != getattr(new, name)),
        tuple(name for name in before if name not in same),
        tuple(camera for name, camera in after.items() if name not in same),
    )


def _runs_alike(one: CameraPart, other: CameraPart) -> bool:
    return (one.platform, one.options) == (other.platform, other.options)


class Slot(Generic[T]):
    """Something open that can be exchanged for another while everything around it stays. An async context manager."""

    def __init__(self, opener: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self.opener = opener
        """Opened what is open now."""
        self._stack = AsyncExitStack()
        self._now: T | None = None

    @property
    def now(self) -> T:
        """What is open. Raises NotReady while it is being exchanged."""
        if self._now is None:
            raise NotReady("it is being exchanged for what hub.yaml now names", hint="try again in a moment")
        return self._now

    @property
    def empty(self) -> bool:
        return self._now is None

    async def __aenter__(self) -> Slot[T]:
        await self._open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._close()

    async def exchange(self, opener: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        """Closes what is open, then opens another; should that fail, opens the first again and raises why.

        Empty afterwards only if that fails, too, or it is cancelled.
        """
        before = self.opener
        await self._close()
        self.opener = opener
        try:
            await self._open()
        except Exception:
            self.opener = before
            await self._open()
            raise

    async def _open(self) -> None:
        self._now = await self._stack.enter_async_context(self.opener())

    async def _close(self) -> None:
        self._now = None
        await self._stack.aclose()


class StorageInUse:
    """The Storage that a slot holds at each moment, for those who keep a storage for as long as the hub runs."""

    def __init__(self, slot: Slot[Storage]) -> None:
        self._slot = slot

    async def put(self, key: str, data: bytes) -> None:
        await self._slot.now.put(key, data)

    async def get(self, key: str) -> bytes:
        return await self._slot.now.get(key)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        return self._slot.now.list(prefix)

    async def delete(self, key: str) -> None:
        await self._slot.now.delete(key)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        return await self._slot.now.link(key, lifetime)
