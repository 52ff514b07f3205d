"""QR codes in the camera's picture, read by zxing-cpp (Debian's python3-zxing-cpp); docs/performance.md says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from select import select
from typing import TYPE_CHECKING, Final

from node import scanner
from node.parts import CodeReader
from node.wire import Invitation, WireError

if TYPE_CHECKING:
    from node.camera import Luma

PATIENCE: Final = 20.0
"""Seconds for one picture, and for Python to start on a Pi Zero before it."""


class Scanner:
    """Tells of invitations alone; what other codes hold goes nowhere. Its process (node/scanner.py) starts with the
    first picture, and anew where it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, luma: Luma) -> Sequence[str]:
        if not luma.size:
            return []
        try:
            texts = self._ask(luma)
        except (OSError, ValueError):
            self.close()
            return []
        return [text for text in texts if is_invitation(text)]

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError), process:  # waits, and closes its pipes
                return

    __del__ = close

    def _ask(self, luma: Luma) -> list[str]:
        """Raises OSError, and ValueError where it ended instead of answering."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _start()
        pictures, texts = self._process.stdin, self._process.stdout
        assert pictures is not None
        assert texts is not None
        pictures.write(scanner.SIZE.pack(*luma.shape) + luma.tobytes())
        pictures.flush()
        if not select([texts], [], [], PATIENCE)[0]:
            raise TimeoutError
        found: list[str] = json.loads(texts.readline())
        return found


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", scanner.__file__]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)  # noqa: S603


def is_invitation(text: str) -> bool:
    try:
        Invitation.of(text)
    except WireError:
        return False
    return True


def make_reader() -> CodeReader | None:
    """None where the board has nothing to read codes with."""
    return Scanner() if find_spec("zxingcpp") else None
