"""How often the hub has ended by itself while it was recognising a frame: out of memory, say, or a decoder's crash."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger("fras.attempts")


class Attempts:
    """What is being tried, in a file that outlives the process.

    It is not forced to disk: the end of a process leaves it, and that of the machine's power is no frame's fault.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._deaths: dict[str, int] = {}
        self._trying: list[str] = []

    def load(self, pending: Collection[str]) -> None:
        """Counts for each of the `pending` frames whether the last process ended while it was tried."""
        try:
            known = json.loads(self._file.read_bytes())
            deaths = {str(frame): int(count) for frame, count in dict(known["deaths"]).items()}
            trying = set(known["trying"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("what was being recognised when the hub ended is not known: %s", error)
            return
        counts = {frame: deaths.get(frame, 0) + (frame in trying) for frame in pending}
        self._deaths = {frame: count for frame, count in counts.items() if count}
        self._write()

    def deaths(self, frame: str) -> int:
        """How often the hub ended while the frame was tried."""
        return self._deaths.get(frame, 0)

    @contextmanager
    def trying(self, frames: Iterable[str]) -> Iterator[None]:
        """While entered, the end of the process counts against these frames."""
        frames = list(frames)
        self._trying += frames
        self._write()
        try:
            yield
        finally:
            for frame in frames:
                self._trying.remove(frame)
            self._write()

    def forget(self, frames: Iterable[str]) -> None:
        """They have come to their end."""
        for frame in frames:
            self._deaths.pop(frame, None)

    def _write(self) -> None:
        """In place of what was there, and nothing where there is nothing to say.

        Without room on the disk the count is not kept, and recognition goes on.
        """
        new = self._file.with_suffix(".new")
        try:
            if not (self._deaths or self._trying):
                self._file.unlink(missing_ok=True)
                return
            new.write_text(json.dumps({"deaths": self._deaths, "trying": self._trying}))
            new.replace(self._file)
        except OSError as error:
            logger.debug("what is being recognised cannot be written down: %s", error)
