"""The `fras` command. Importing this package imports nothing heavy, so that Ctrl-C is heeded from the start."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

from hub.terminals import Terminals

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What asks a command to end."""
HUB = "run"
"""The command to which SIGHUP means that it reads hub.yaml anew."""


def main() -> None:
    _three_streams()
    for number in SIGNALS:
        signal.signal(number, _leave)
    if sys.argv[1:2] == [HUB]:
        _outlive_hang_ups()
    from hub.cli.commands import fras

    command = fras(sys.argv[1:])  # a second of imports, in which nothing needs tidying up
    try:
        command()
    finally:  # the command has ended, its answer stands
        for number in (*SIGNALS, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _outlive_hang_ups() -> None:
    """Until `hub.control` listens to SIGHUP it has nothing to say: hub.yaml has not been read yet."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        return
    terminals = Terminals()

    def hang_up(number: int, frame: FrameType | None) -> None:
        if terminals.gone:
            _leave(number, frame)

    signal.signal(signal.SIGHUP, hang_up)


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
