"""How each plugin instance is doing, and when that is worth a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from hub.plugin import Clock, NeedsHuman, Permanent, PluginError


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    RETRYING = "retrying"
    """Not ready, or at fault; the hub tries again by itself."""
    NEEDS_HUMAN = "needs_human"
    """Parked until the configuration changes."""
    FAILED = "failed"
    """Parked: will never work as configured."""
    FINISHED = "finished"
    """A camera that has nothing more, ever."""
    STOPPED = "stopped"

    @property
    def down(self) -> bool:
        return self in (State.RETRYING, State.NEEDS_HUMAN, State.FAILED)


@dataclass(frozen=True, slots=True)
class Health:
    """`since` is when the state began; `restarts` counts openings after the first; all times UTC.

    `last_error` and `hint` stay after recovery, so that a person can still read what happened. `progress` is
    what a slow set-up last said it was doing.
    """

    state: State
    since: datetime
    last_error: str = ""
    hint: str = ""
    restarts: int = 0
    last_event_at: datetime | None = None
    progress: str = ""


OnHealth: TypeAlias = Callable[[str, Health], None]
"""Called with the instance id after every change but `last_event_at`, on the event loop; must not raise."""


def state_after(error: PluginError) -> State:
    if isinstance(error, Permanent):
        return State.FAILED
    return State.NEEDS_HUMAN if isinstance(error, NeedsHuman) else State.RETRYING


class HealthKeeper:
    """Keeps the health of one instance; says WARNING once going down, INFO once coming up, DEBUG between."""

    def __init__(self, instance_id: str, clock: Clock, on_change: OnHealth | None = None) -> None:
        self._id = instance_id
        self._clock = clock
        self._on_change = on_change
        self._log = logging.getLogger(f"fras.{instance_id}")
        self.now = Health(State.STARTING, clock.now())

    def down(self, error: PluginError) -> None:
        """The instance failed with `error`."""
        state = state_after(error)
        news = not self.now.state.down or (state is not self.now.state and state is not State.RETRYING)
        self._log.log(logging.WARNING if news else logging.DEBUG, "%s: %s: %s", self._id, state, error)
        self._become(state, last_error=error.message, hint=error.hint, progress="")

    def running(self) -> None:
        if self.now.state is not State.RUNNING:
            self._log.info("%s: running%s", self._id, " again" if self.now.state.down else "")
            self._become(State.RUNNING, progress="")

    def finished(self) -> None:
        self._log.info("%s: finished, nothing more will come", self._id)
        self._become(State.FINISHED)

    def stopped(self) -> None:
        self._log.debug("%s: stopped", self._id)
        self._become(State.STOPPED, progress="")

    def restarting(self) -> None:
        self._change(replace(self.now, restarts=self.now.restarts + 1))

    def progress(self, message: str) -> None:
        self._log.debug("%s: %s", self._id, message)
        self._change(replace(self.now, progress=message))

    def event(self) -> None:
        """Something arrived just now; changes `last_event_at` without calling anybody."""
        self.now = replace(self.now, last_event_at=self._clock.now())

    def _become(self, state: State, **changes: str) -> None:
        since = self.now.since if state is self.now.state else self._clock.now()
        self._change(replace(self.now, state=state, since=since, **changes))  # type: ignore[arg-type]

    def _change(self, health: Health) -> None:
        if health != self.now:
            self.now = health
            if self._on_change:
                self._on_change(self._id, health)
