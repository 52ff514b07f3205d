"""What the spool must know after a power cut beside its entries: which numbers were given, what was given up, and what
befell the node meanwhile.

A file of two slots, written in turn and in place: a torn write spoils one and leaves the other, and a full disk does
not prevent it, since no block is added.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from node.files import sync_folder

SLOT: Final = 4096
OTHER_KEY: Final = "somebody with another key answered at the hub's address"
"""An incident, counted once until the hub itself answers again."""
OTHER_HUB: Final = "another hub took the node in, by a code that was shown to it while this one was away"


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers up to `reserved` may have been given; all up to `settled` are the hub's; `dropped` counts pictures by
    reason, `incidents` what else the hub is to know of."""

    reserved: int = 0
    settled: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    incidents: Mapping[str, int] = field(default_factory=dict)


class CountersFile:
    """Synchronous. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        fresh = not path.exists()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = [] if fresh else [self._slot(0), self._slot(1)]
        self._turn, self.last = max((slot for slot in found if slot), default=(0, Counters()), key=lambda slot: slot[0])
        if fresh:
            os.pwrite(self._handle, bytes(2 * SLOT), 0)
            os.fsync(self._handle)
            sync_folder(path.parent)

    def write(self, counters: Counters) -> None:
        """Durably. Raises OSError; what was written before then still stands."""
        text = json.dumps({"turn": self._turn + 1, **asdict(counters)}).encode()
        slot = (b"%08x" % zlib.crc32(text) + text).ljust(SLOT, b" ")
        os.pwrite(self._handle, slot, SLOT * ((self._turn + 1) % 2))
        os.fdatasync(self._handle)
        self._turn += 1
        self.last = counters

    def close(self) -> None:
        os.close(self._handle)

    def _slot(self, which: int) -> tuple[int, Counters] | None:
        data = os.pread(self._handle, SLOT, SLOT * which).rstrip(b" ")
        try:
            if int(data[:8], 16) != zlib.crc32(data[8:]):
                return None
            found = json.loads(data[8:])
            return found["turn"], Counters(
                found["reserved"], found["settled"], found["dropped"], found.get("incidents", {})
            )
        except (ValueError, KeyError):
            return None
