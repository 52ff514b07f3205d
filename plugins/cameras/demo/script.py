"""Who is where, when: the demo school's day as a pure function of the time.

The day is cut into slots from local midnight; in each the whole cast has a lecture in one of two rooms, by turns.
Most come in time, two late, one leaves early, one never comes; somebody nobody knows looks in.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

ROOMS: Final = 2
WALK: Final = 8.0
"""Seconds from the door to a seat; less where slots are short."""
IN_TIME: Final = -0.05, 0.04
LATE: Final = 0.18, 0.34
LEAVES_EARLY: Final = 0.46, 0.54
END: Final = 0.90, 0.94
LOOKS_IN: Final = 0.38, 0.46
"""Shares of a slot, which is its lecture: first and last of those who come in time, who come late, who leave
early, when everybody leaves, and when the stranger comes and goes."""


@dataclass(frozen=True, slots=True)
class Cast:
    """`pupils` are on the roll, `refused` among them; `stranger` is not."""

    pupils: tuple[str, ...]
    refused: str
    stranger: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody's stay in a room: through the door at `enters`, through it again at `leaves` (UTC)."""

    person: str
    enters: datetime
    leaves: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody in view: `way` is 0 at the door and 1 at the seat; `leaving` says which way it goes."""

    person: str
    way: float
    leaving: bool


@dataclass(frozen=True, slots=True)
class Script:
    cast: Cast
    slot: timedelta
    zone: ZoneInfo

    def present(self, room: int, now: datetime) -> list[Presence]:
        """Who is in view in room 0 or 1, in the order they came."""
        walk = min(timedelta(seconds=WALK), self.slot / 30)
        found = []
        for visit in sorted(self._visits(room, now), key=lambda visit: visit.enters):
            if not visit.enters <= now < visit.leaves:
                continue
            left = visit.leaves - now
            found.append(Presence(visit.person, min(1.0, (now - visit.enters) / walk, left / walk), left < walk))
        return found

    def _visits(self, room: int, now: datetime) -> Iterator[Visit]:
        """Those of the running slot and of the next, whose first pupils come before it begins."""
        for start, number in {self._slot(now), self._slot(now + self.slot * -IN_TIME[0])}:
            if number % ROOMS == room:
                yield from visits(self.cast, start, self.slot)

    def _slot(self, now: datetime) -> tuple[datetime, int]:
        midnight = datetime.combine(now.astimezone(self.zone).date(), time(0), tzinfo=self.zone).astimezone(UTC)
        number = (now - midnight) // self.slot
        return midnight + number * self.slot, number


@lru_cache(maxsize=8)
def visits(cast: Cast, start: datetime, slot: timedelta) -> Sequence[Visit]:
    """Everybody's stay in the slot that begins at `start`, decided by it alone."""
    chance = random.Random(f"lecture {start.isoformat()}")  # noqa: S311 (a play, not a secret)
    others = [person for person in cast.pupils if person != cast.refused]
    chance.shuffle(others)
    _never, early, *late = others[:4]
    found = []
    for person in [early, *late, *others[4:], cast.refused]:
        comes = chance.uniform(*(LATE if person in late else IN_TIME))
        goes = chance.uniform(*(LEAVES_EARLY if person == early else END))
        found.append(Visit(person, start + comes * slot, start + goes * slot))
    return (*found, Visit(cast.stranger, start + LOOKS_IN[0] * slot, start + LOOKS_IN[1] * slot))
