"""Which address or device of a camera has ever given a picture."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from ..context import PluginContext


class Proof:
    """Remembers across restarts that an address or device has given a picture: what it lacks later may well come back.

    A camera, or the recorder before it, that is starting answers 404 until all of it runs; a device that was just
    plugged in belongs to nobody for a moment. Use `look`.
    """

    def __init__(self, context: PluginContext, file: Path, mark: str, worked: bool) -> None:
        self._context = context
        self._file = file
        self._mark = mark
        self.worked = worked

    @classmethod
    async def look(cls, context: PluginContext, place: str) -> Proof:
        """Blocks nobody. `place` is an address without credentials, or a device."""
        file, mark = context.data_folder / "worked", hashlib.sha256(place.encode()).hexdigest()
        return cls(context, file, mark, await context.run_blocking(_read, file) == mark)

    async def note(self) -> None:
        """It has given one now."""
        if not self.worked:
            self.worked = True
            with suppress(OSError):  # costs a camera that starts slowly its patience, no more
                await self._context.run_blocking(self._file.write_text, self._mark)


def _read(file: Path) -> str:
    with suppress(OSError, ValueError):
        return file.read_text()
    return ""
