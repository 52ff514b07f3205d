"""How `fras reload` reaches a running hub, and hears what came of it: a socket in the data folder, or SIGHUP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hub.failure import Failure
from hub.terminals import Terminals

logger = logging.getLogger("fras.hub")

NAME = "hub.sock"
PATIENCE = 150.0
"""Seconds that `fras reload` waits: a recogniser may have to finish a batch and open anew."""
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a reload; `lines` are for people: what changed, or every problem."""

    fine: bool
    lines: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Request:
    """A reload that was asked for, perhaps by several at once; answer it exactly once.

    `known` is what can be said already of one that takes longer.
    """

    known: tuple[str, ...] = ()
    _askers: list[asyncio.Future[Outcome]] = field(default_factory=list)

    def asked_by(self, asker: asyncio.Future[Outcome]) -> None:
        self._askers.append(asker)

    def answer(self, outcome: Outcome) -> None:
        outcome = Outcome(outcome.fine, self.known + outcome.lines)
        for line in outcome.lines:
            logger.log(logging.INFO if outcome.fine else logging.ERROR, "reload: %s", line)
        for asker in self._askers:
            if not asker.done():
                asker.set_result(outcome)


class Control:
    """Use `heeding`."""

    def __init__(self) -> None:
        self._waiting: Request | None = None
        self._asked = asyncio.Event()

    async def request(self) -> Request:
        """Waits until somebody asks; those who ask until it is taken share one answer."""
        await self._asked.wait()
        self._asked.clear()
        request, self._waiting = self._waiting, None
        assert request is not None
        return request

    def ask(self) -> asyncio.Future[Outcome]:
        asker: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting = self._waiting or Request()
        self._waiting.asked_by(asker)
        self._asked.set()
        return asker

    @asynccontextmanager
    async def listening(self, data: Path) -> AsyncIterator[None]:
        """Hears `fras reload`, too; where no socket can be made SIGHUP has to do."""
        server = await _listen(self, data)
        try:
            yield
        finally:
            if server is not None:
                server.close()
                (data / NAME).unlink(missing_ok=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one `fras reload`."""
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            if await reader.readline() == b"reload\n":
                outcome = await self.ask()
                told = {"fine": outcome.fine, "lines": outcome.lines}
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def heeding() -> AsyncIterator[Control]:
    """Takes SIGHUP for a reload that is asked for."""
    control = Control()
    loop = asyncio.get_running_loop()
    terminals = Terminals()
    before = signal.getsignal(signal.SIGHUP)
    immune = before is signal.SIG_IGN  # nohup

    def hang_up() -> None:
        if terminals.gone and not immune:
            signal.raise_signal(signal.SIGTERM)
        else:
            control.ask()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        yield control
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)


async def ask(data: Path, patience: float = PATIENCE) -> Outcome:
    """Has the hub on the data folder reload, and waits for what comes of it. Raises Failure."""
    try:
        with _connection(data) as (link, path):
            await asyncio.get_running_loop().sock_connect(link, path)
            return await _asked(link, patience)
    except PermissionError:
        raise Failure(
            f"this user may not speak to the hub on {data}", hint="run fras reload as the user that runs the hub"
        ) from None
    except OSError:
        raise Failure(
            f"no hub is running on the data folder {data}", hint="fras run starts one, on hub.yaml as it is"
        ) from None


async def _asked(link: socket.socket, patience: float) -> Outcome:
    reader, writer = await asyncio.open_unix_connection(sock=link.dup(), limit=MOST_BYTES)
    try:
        async with asyncio.timeout(patience):
            writer.write(b"reload\n")
            await writer.drain()
            told = json.loads(await reader.readline())
    except TimeoutError:
        raise Failure(
            f"the hub has not answered within {patience:g} s; perhaps it still reloads", hint="see its log"
        ) from None
    except (OSError, ValueError):
        raise Failure("the hub ended before it had reloaded", hint="see its log") from None
    finally:
        writer.close()
    return Outcome(bool(told["fine"]), tuple(told["lines"]))


async def _listen(control: Control, data: Path) -> asyncio.Server | None:
    """None where another hub listens, or nothing can be made."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240
        with _connection(data) as (link, path):
            try:
                await asyncio.get_running_loop().sock_connect(link, path)
                return None
            except (FileNotFoundError, ConnectionRefusedError):
                (data / NAME).unlink(missing_ok=True)
        with _connection(data) as (link, path):
            before = os.umask(0o177)
            try:
                link.bind(path)
            finally:
                os.umask(before)
            return await asyncio.start_unix_server(control.serve, sock=link.dup())
    except OSError as error:
        logger.debug("no socket for fras reload: %s", error.strerror)
        return None


@contextmanager
def _connection(data: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and the path of the hub's that is short however deep the data folder lies (108 bytes, unix(7))."""
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
            link.setblocking(False)
            yield link, f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
