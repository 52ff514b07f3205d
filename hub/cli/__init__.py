"""The `fras` command. Importing this package imports nothing heavy, so that Ctrl-C is heeded from the start."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What asks a command to end."""


def main() -> None:
    _three_streams()
    for number in SIGNALS:
        signal.signal(number, _leave)
    from hub.cli.commands import app  # a second of imports, in which nothing needs tidying up

    try:
        app()
    finally:  # the command has ended, its answer stands
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _three_streams() -> None:
    """Opens what is closed of the standard streams, lest the next file get its number and what is printed there.

    What the terminal cannot show is written as an escape.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"fras: stopped\n")
    os._exit(1)
