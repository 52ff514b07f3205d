"""A recogniser that may be open only later: what a hub that goes on without it holds in its place."""

from __future__ import annotations

import math

from hub.plugin import Embedder, Identifier, NotReady, PluginError

from .checks import check_model
from .guard import Guard, GuardedEmbedder, GuardedIdentifier


class Awaited:
    """Use `Supervisor.await_recognizer`."""

    def __init__(self, guard: Guard[Embedder | Identifier], *, identifier: bool) -> None:
        self._guard = guard
        self.identifier = identifier
        """Whether it will be an Identifier, as far as its spec says."""
        self.now: GuardedEmbedder | GuardedIdentifier | None = None
        """Set by `opened`."""

    @property
    def why(self) -> PluginError:
        """Why it is not open."""
        return self._guard.instance.error or NotReady(f"{self._guard.instance.id} is being opened")

    async def opened(self, patience: float = math.inf) -> GuardedEmbedder | GuardedIdentifier:
        """Waits until it is open. Raises what parks it (NeedsHuman, Permanent), and the last NotReady when it is still
        not open after `patience` seconds; with patience 0 the first failure."""
        plugin = await self._guard.instance.ready(patience)
        if self.now is None:
            made = GuardedEmbedder if isinstance(plugin, Embedder) else GuardedIdentifier
            self.now = made(self._guard, check_model(plugin.model))
        return self.now
