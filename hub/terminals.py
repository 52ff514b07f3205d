"""Whether the terminal that a process was started in is still there. Light: `hub.cli` imports it first."""

from __future__ import annotations

import os


class Terminals:
    """Those among the standard streams now."""

    def __init__(self) -> None:
        self._numbers = [number for number in range(3) if os.isatty(number)]

    @property
    def gone(self) -> bool:
        """Whether SIGHUP says so, and with them whoever started the process."""
        return not all(map(os.isatty, self._numbers))
