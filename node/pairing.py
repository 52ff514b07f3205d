"""`fras-node pair`: hands an invitation to the running service, or pairs itself where none runs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from node import files
from node.agent import IDENTITY, INVITATION, STATUS, Agent
from node.log import open_log
from node.orders import Orders
from node.settings import Settings
from node.state import State
from node.wire import Invitation

PATIENCE: Final = 60.0


class InUse(Exception):
    """Another process has the data folder."""


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Holds the data folder for one process. Raises InUse, and OSError when the folder cannot be used."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse from None
        yield
    finally:
        os.close(handle)


async def pair(settings: Settings, runtime: Path, invitation: Invitation) -> str:
    """Empty when the hub has accepted, otherwise a sentence that says why not. Raises OSError and StateError."""
    before = State(settings.data / IDENTITY).paired
    try:
        with alone(settings.data):
            problem = await _pair_here(settings, runtime, invitation)
    except InUse:
        problem = await _ask_service(settings, runtime, invitation)
    paired = State(settings.data / IDENTITY).paired
    accepted = paired is not None and (before is None or paired.credential != before.credential)
    return "" if accepted else problem or "The hub did not accept."


async def _pair_here(settings: Settings, runtime: Path, invitation: Invitation) -> str:
    state = State(settings.data / IDENTITY)
    async with open_log(settings.data / "spool", Orders().spool) as log:
        link = Agent(settings, log, state, runtime).link
        link.invite(invitation)
        talking = asyncio.create_task(link.run())
        try:
            for _ in range(int(10 * PATIENCE)):
                if state.pairing is None or talking.done():
                    break
                await asyncio.sleep(0.1)
            else:
                state.uninvite()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        return link.problem


async def _ask_service(settings: Settings, runtime: Path, invitation: Invitation) -> str:
    file = settings.data / INVITATION
    files.replace(file, invitation.uri().encode())
    for _ in range(int(PATIENCE)):
        await asyncio.sleep(1)
        if not file.exists() and State(settings.data / IDENTITY).pairing is None:
            break
    file.unlink(missing_ok=True)
    try:
        problems: list[str] = json.loads((runtime / STATUS).read_text("utf-8"))["problems"]
    except (OSError, ValueError, KeyError):
        return ""
    return " ".join(problems)
