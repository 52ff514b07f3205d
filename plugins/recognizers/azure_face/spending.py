"""How many calls were made this month: durable, shared by processes, never too few."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from hub.plugin import NeedsHuman, NotReady, PluginContext

T = TypeVar("T")

BLOCK: Final = 20
"""Calls written down at once, before they are made: a crash counts up to so many that never were."""
FILE: Final = "spending.json"
KEPT: Final = 24
"""Months."""
NEARLY: Final = 0.8
"""Share of the cap at which a month's count is said."""


class Spending:
    """Counts calls per calendar month in UTC, as Azure bills them. Use `close` in the end."""

    def __init__(self, context: PluginContext, cap: int, price: float) -> None:
        """`cap` calls a month, `price` of a thousand."""
        self._context = context
        self._file = context.data_folder / FILE
        self._cap = cap
        self._price = price
        self._month = ""
        self._left = 0
        self._turn = asyncio.Lock()

    async def spend(self, *, capped: bool = True) -> str:
        """Counts one call that is about to be made, and answers in which month.

        Raises NotReady once the month's cap is reached, unless the call is one that has to be possible always
        (`capped` False: whatever deletes). Raises NeedsHuman when the count cannot be kept.
        """
        async with self._turn:
            month = self._now()
            if month != self._month:
                self._month, self._left = month, 0
            if not self._left:
                wanted, cap = (BLOCK, self._cap) if capped else (1, None)
                self._left, made = await self._on_disk(lambda: _reserve(self._file, month, wanted, cap))
                self._warn(month, made - self._left, made)
            if not self._left:
                raise NotReady(
                    f"the cap of {self._cap:,} calls to Azure Face is reached for {month} (UTC)",
                    hint="raise recognizer->monthly_cap, or wait for the next month",
                )
            self._left -= 1
            return month

    async def give_back(self, month: str) -> None:
        """A call that `spend` counted in that month is not billed."""
        await self._on_disk(lambda: _reserve(self._file, month, -1, None))

    async def told(self) -> str:
        """In words: "1,234 of 100,000 calls this month, about 1.23"."""
        month = self._now()
        counts = await self._on_disk(lambda: _read(self._file))
        made = counts.get(month, 0) - (self._left if month == self._month else 0)
        return f"{made:,} of {self._cap:,} calls this month, about {made * self._price / 1000:.2f}"

    async def close(self) -> None:
        """Gives back what was written down and never made."""
        if self._left:
            month, left, self._left = self._month, self._left, 0
            await self._on_disk(lambda: _reserve(self._file, month, -left, None))

    def _warn(self, month: str, before: int, made: int) -> None:
        """Once a month, whichever process gets there."""
        nearly = NEARLY * self._cap
        if before < nearly <= made:
            said = "%.0f %% of the cap of %s calls to Azure Face is used for %s (UTC); at the cap only deleting goes on"
            self._context.logger.warning(said, NEARLY * 100, f"{self._cap:,}", month)

    def _now(self) -> str:
        return self._context.clock.now().strftime("%Y-%m")

    async def _on_disk(self, call: Callable[[], T]) -> T:
        try:
            return await self._context.run_blocking(call)
        except OSError as error:
            raise NeedsHuman(
                f"the count of calls to Azure Face cannot be kept: {error.strerror}",
                hint=f"give the hub's user the right to write {self._file}",
            ) from None
        except ValueError:
            raise NeedsHuman(
                f"{self._file} does not hold a count of calls", hint="delete it to count from 0 again"
            ) from None


def _reserve(file: Path, month: str, wanted: int, cap: int | None) -> tuple[int, int]:
    """Adds up to `wanted` calls to the month, as far as the cap allows; answers how many, and the count with them."""
    with file.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        counts = _read(file)
        made = counts.get(month, 0)
        granted = wanted if cap is None else max(0, min(wanted, cap - made))
        if granted:
            counts[month] = max(0, made + granted)
            _write(file, dict(sorted(counts.items())[-KEPT:]))
    return granted, made + granted


def _read(file: Path) -> dict[str, int]:
    """Raises ValueError for anything but months and their calls."""
    try:
        counts = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(counts, dict) or not all(
        re.fullmatch(r"\d{4}-\d\d", month) and type(calls) is int for month, calls in counts.items()
    ):
        raise ValueError
    return counts


def _write(file: Path, counts: dict[str, int]) -> None:
    new = file.with_suffix(".new")
    with new.open("w", encoding="utf-8") as written:
        json.dump(counts, written)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
