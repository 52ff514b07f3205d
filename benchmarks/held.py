"""What this process holds: memory, threads, open files, tasks."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
from dataclasses import dataclass
from typing import Any, Final

import psutil

from hub.runtime.threads import THREADS

FLAT: Final = 5.0
"""Megabytes more that are no growth."""


@dataclass(frozen=True)
class Held:
    """`memory` is resident bytes, once free memory has gone back to the system."""

    memory: int
    threads: int
    files: int
    tasks: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
            trim(0)
        process = psutil.Process()
        return cls(process.memory_info().rss, threading.active_count(), process.num_fds(), len(asyncio.all_tasks()))

    def megabytes_since(self, before: Held) -> float:
        return round((self.memory - before.memory) / 1e6, 1)

    def flat_since(self, before: Held, most: float = FLAT, under_way: int = 0) -> bool:
        """`most` megabytes more; so many files and tasks come and go with the work that is under way."""
        return (
            self.megabytes_since(before) <= most
            and self.files <= before.files + under_way
            and self.tasks <= before.tasks + under_way
            and self.threads <= before.threads + THREADS  # a pool may start so many meanwhile; it keeps them
        )

    def since(self, before: Held) -> dict[str, Any]:
        """For a report."""
        return {
            "megabytes_more": self.megabytes_since(before),
            "megabytes": round(self.memory / 1e6),
            "open_files": [before.files, self.files],
            "threads": [before.threads, self.threads],
            "tasks": [before.tasks, self.tasks],
        }
