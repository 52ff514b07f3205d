"""In which order keys are tried, and what becomes of those that the server refuses; does nothing itself."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Final

from .spool import lock_of

MANY: Final = 8
"""Refused one after the other: then it is no longer about the one or other picture."""
KNOCK: Final = 60.0
"""Seconds between two tries while it is not."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Since when the key waits (Unix time), why, and when it is tried again (monotonic)."""

    since: float
    why: str
    again: float


class Queue:
    """Of keys under which the same is to be done. `since` is Unix time, all other times are monotonic."""

    def __init__(self) -> None:
        self._fresh: dict[str, float] = {}
        """Key → since when; in the order in which they are tried."""
        self._not_before: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        """Key → since when, of those that are being tried."""
        self._refused: dict[str, Refusal] = {}
        """These come after all others, the longest refused first; also while they are tried again."""
        self._in_row: set[str] = set()
        """What was refused since something was not."""
        self._knock = 0.0

    def __len__(self) -> int:
        """Of those that are not being tried at this moment for the first time."""
        return len(self._fresh) + len(self._refused)

    def __contains__(self, key: str) -> bool:
        return key in self._fresh or key in self._busy or key in self._refused

    @property
    def since(self) -> dict[str, float]:
        """Of every key, since when it waits."""
        refused = {key: refusal.since for key, refusal in self._refused.items()}
        return self._fresh | self._busy | refused

    @property
    def whys(self) -> Iterator[str]:
        """The reason of every refused key."""
        return (refusal.why for refusal in self._refused.values())

    @property
    def locks(self) -> set[str]:
        """What is held for those that are being tried."""
        return {lock_of(key) for key in self._busy}

    @property
    def hurries(self) -> bool:
        """Whether a key is there that waits for nothing but its turn."""
        return bool(self._fresh) and not self._stuck

    @property
    def _stuck(self) -> bool:
        return len(self._in_row) >= MANY

    def add(self, key: str, since: float) -> None:
        """To be tried soon, though it was refused: it may be another picture now."""
        refused = self._refused.pop(key, None)
        self._fresh.setdefault(key, refused.since if refused else since)

    def drop(self, key: str) -> None:
        self._fresh.pop(key, None)
        self._not_before.pop(key, None)
        self._refused.pop(key, None)

    def take(self, now: float, held: Container[str]) -> str | None:
        """The key to be tried now, None for none; then one of `wait`, `refuse`, `end` must be said of it."""
        if self._stuck and now < self._knock:
            return None
        key = self._due(now, held)
        if key is not None:
            self._busy[key] = self._refused[key].since if key in self._refused else self._fresh.pop(key)
            self._not_before.pop(key, None)
            self._knock = now + KNOCK
        return key

    def wait(self, key: str, until: float) -> None:
        """Behind all others: one that fails must not hold them up."""
        self._refused.pop(key, None)
        self._fresh.setdefault(key, self._busy.pop(key))
        self._not_before[key] = until

    def refuse(self, key: str, why: str, again: float) -> None:
        self._refused.pop(key, None)
        since = self._busy.pop(key)
        if key not in self._fresh:  # it was not put again meanwhile
            self._refused[key] = Refusal(since, why, again)
        self._in_row.add(key)

    def end(self, key: str) -> None:
        self._refused.pop(key, None)
        del self._busy[key]

    def works(self) -> None:
        """One was not refused."""
        if self._stuck:  # whatever forbade everything is gone
            due = {key: replace(self._refused[key], again=0.0) for key in self._refused if key in self._in_row}
            self._refused = due | {key: refusal for key, refusal in self._refused.items() if key not in due}
        self._in_row.clear()

    def _due(self, now: float, held: Container[str]) -> str | None:
        for key in self._fresh:
            if lock_of(key) not in held and self._not_before.get(key, 0.0) <= now:
                return key
        for key, refusal in self._refused.items():
            if refusal.again > now and not self._stuck:
                return None
            if lock_of(key) not in held:
                return key
        return None
