"""Recognisers and storages as the rest of the hub sees them: every call bounded, every fault translated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Generic, TypeVar

from hub.plugin import (
    Candidate,
    Embedder,
    Identifier,
    Model,
    NotFound,
    Picture,
    PluginError,
    Sight,
    Storage,
)

from .checks import check_candidates, check_is, check_model, check_refusals, check_sights
from .faults import PluginFault, meaning
from .instance import Instance
from .limits import Limits
from .tasks import Abandoned, put_down

T = TypeVar("T")
R = TypeVar("R")


class Guard(Generic[T]):
    """Calls a plugin in a task of its own.

    Whatever goes wrong becomes a PluginError and the plugin's health: what the plugin raised on purpose as it
    is, a PluginFault (a NotReady) for the rest. A call that hangs is cancelled and the plugin opened anew.
    `innocent` are exceptions that are answers, not failures.
    """

    def __init__(
        self, instance: Instance[T], limits: Limits, abandoned: Abandoned, innocent: tuple[type[Exception], ...] = ()
    ) -> None:
        self.instance = instance
        self._limits = limits
        self._abandoned = abandoned
        self._innocent = innocent
        self._failing: set[str] = set()
        """Calls that failed last: a storage that cannot put may still list."""

    async def call(
        self,
        what: str,
        function: Callable[[T], Coroutine[Any, Any, R]],
        check: Callable[[R], None] = lambda result: None,
    ) -> R:
        """Raises PluginError, or what is innocent."""
        plugin = await self.instance.ready(self._limits.call_cap)
        opening = self.instance.opening
        outcome: list[R | BaseException] = []
        task = asyncio.create_task(_into(outcome, function, plugin, check), name=f"plugin {self.instance.id} {what}")
        try:
            await asyncio.wait({task}, timeout=self._limits.call_cap)
            if not task.done():
                raise self._hung(what, opening)
        finally:
            if not await put_down(task, self._limits.cancel_grace):
                self._abandoned.add(task)
        result = outcome[0]
        if isinstance(result, BaseException):
            if not isinstance(result, self._innocent):
                self._failing.add(what)
            raise self.blame(result) from None
        self._failing.discard(what)
        if not self._failing:
            self.instance.health.running()
        return result

    async def iterate(self, what: str, items: Callable[[T], AsyncIterator[R]]) -> AsyncIterator[R]:
        """Like `call` for each step of an iteration."""
        plugin = await self.instance.ready(self._limits.call_cap)
        opening = self.instance.opening
        try:
            iterator = aiter(items(plugin))
        except BaseException as error:
            raise self.blame(error) from None
        while True:
            try:
                async with asyncio.timeout(self._limits.call_cap) as cap:
                    item = await anext(iterator)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                raise (self._hung(what, opening) if cap.expired() else self.blame(error)) from None
            yield item

    def blame(self, error: BaseException) -> Exception:
        """What to raise for `error`, once health knows of it."""
        if isinstance(error, self._innocent):
            return error
        told = meaning(error)
        if not isinstance(error, PluginError):
            logging.getLogger(f"fras.{self.instance.id}").debug("fault of the plugin", exc_info=error)
        self.instance.health.down(told)
        return told

    def _hung(self, what: str, opening: object) -> PluginError:
        error = PluginFault(
            f"{what} of {self.instance.id} did not return within {self._limits.call_cap:g} s",
            hint="the plugin is opened anew",
        )
        self.instance.reopen(opening, error)
        return error


async def _into(
    outcome: list[R | BaseException],
    function: Callable[[T], Coroutine[Any, Any, R]],
    plugin: T,
    check: Callable[[R], None],
) -> None:
    try:
        result = await function(plugin)
        check(result)
        outcome.append(result)
    except GeneratorExit:
        raise
    except BaseException as error:  # SystemExit would end the event loop if it left the task
        outcome.append(error)


class GuardedEmbedder:
    """An Embedder whose calls raise nothing but PluginError."""

    def __init__(self, guard: Guard[Embedder | Identifier], model: Model) -> None:
        self._guard = guard
        self._model = model

    @property
    def model(self) -> Model:
        """As of the last successful opening."""
        return self._model

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        async def analyse(plugin: Embedder | Identifier) -> list[Sight]:
            assert isinstance(plugin, Embedder)
            self._model = check_model(plugin.model)
            return await plugin.analyse(pictures, mirror=mirror)

        return await self._guard.call(
            "analyse", analyse, lambda sights: check_sights(sights, len(pictures), self._model.dimension)
        )


class GuardedIdentifier:
    """An Identifier whose calls raise nothing but PluginError."""

    def __init__(self, guard: Guard[Embedder | Identifier], model: Model) -> None:
        self._guard = guard
        self._model = model

    @property
    def model(self) -> Model:
        """As of the first opening."""
        return self._model

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        return await self._guard.call(
            "identify", lambda p: _identifier(p).identify(crops), lambda found: check_candidates(found, len(crops))
        )

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        return await self._guard.call(
            "enrol", lambda p: _identifier(p).enrol(person, crops), lambda said: check_refusals(said, len(crops))
        )

    async def forget(self, person: str) -> None:
        await self._guard.call("forget", lambda p: _identifier(p).forget(person))

    async def people(self) -> list[str]:
        return await self._guard.call("people", lambda p: _identifier(p).people(), lambda found: check_is(found, list))


class GuardedStorage:
    """A Storage whose calls raise nothing but PluginError (NotFound among them) and, for a bad key, ValueError."""

    INNOCENT = (NotFound, ValueError)

    def __init__(self, guard: Guard[Storage]) -> None:
        self._guard = guard

    async def put(self, key: str, data: bytes) -> None:
        await self._guard.call("put", lambda p: p.put(key, data))

    async def get(self, key: str) -> bytes:
        return await self._guard.call("get", lambda p: p.get(key), lambda data: check_is(data, bytes))

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        return self._guard.iterate("list", lambda p: p.list(prefix))

    async def delete(self, key: str) -> None:
        await self._guard.call("delete", lambda p: p.delete(key))

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        return await self._guard.call("link", lambda p: p.link(key, lifetime))


def _identifier(plugin: Embedder | Identifier) -> Identifier:
    assert isinstance(plugin, Identifier)
    return plugin
