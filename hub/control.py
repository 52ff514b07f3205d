"""How `fras reload` reaches a running hub, and hears what came of it: a socket in the data folder, or SIGHUP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from hub.failure import Failure
from hub.lock import in_use
from hub.plugin import PluginError
from hub.terminals import Terminals

logger = logging.getLogger("fras.hub")

NAME = "hub.sock"
PATIENCE = 150.0
"""Seconds that `fras reload` waits: a recogniser may have to finish a batch and open anew."""
SOON = 15.0
"""Seconds for what the hub can answer at once, or as soon as a node does."""
LOOK = 0.2
"""Seconds between two tries to reach a hub that does not listen yet."""
MOST_BYTES = 8 << 20
"""Of an answer: it may hold a picture."""


Answer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


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
        self.answer: Answer | None = None
        """To questions other than for a reload, while there is a hub to answer them."""
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
            line = await reader.readline()
            if line == b"reload\n":
                outcome = await self.ask()
                told: Mapping[str, Any] = {"fine": outcome.fine, "lines": outcome.lines}
            else:
                told = await self._answer(json.loads(line))
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.answer is None:
            return {"failure": "the hub is not running yet", "hint": "see its log"}
        try:
            return await self.answer(question)
        except (Failure, PluginError) as failure:
            return {"failure": failure.message, "hint": failure.hint}


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
    told = await _told(data, b"reload\n", patience)
    return Outcome(bool(told["fine"]), tuple(told["lines"]))


async def question(data: Path, asked: Mapping[str, Any], patience: float = SOON) -> Mapping[str, Any]:
    """What the hub on the data folder answers. Raises Failure, also for what the hub finds wrong."""
    told = await _told(data, json.dumps(asked).encode() + b"\n", patience)
    if "failure" in told:
        raise Failure(told["failure"], hint=told["hint"])
    return told


async def _told(data: Path, line: bytes, patience: float) -> dict[str, Any]:
    try:
        while True:
            with _connection(data) as (link, path):
                try:
                    await asyncio.get_running_loop().sock_connect(link, path)
                except (FileNotFoundError, ConnectionRefusedError):
                    if patience <= 0 or not in_use(data):
                        raise
                else:
                    return await _asked(link, line, patience)
            await asyncio.sleep(LOOK)  # it starts, or ends
            patience -= LOOK
    except PermissionError:
        raise Failure(
            f"this user may not speak to the hub on {data}", hint="run this as the user that runs the hub"
        ) from None
    except OSError:
        raise Failure(
            f"no hub is running on the data folder {data}", hint="fras run starts one, on hub.yaml as it is"
        ) from None


async def _asked(link: socket.socket, line: bytes, patience: float) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(sock=link.dup(), limit=MOST_BYTES)
    try:
        async with asyncio.timeout(patience):
            writer.write(line)
            await writer.drain()
            told: dict[str, Any] = json.loads(await reader.readline())
            return told
    except TimeoutError:
        raise Failure(
            f"the hub has not answered within {patience:g} s; perhaps it still reloads", hint="see its log"
        ) from None
    except (OSError, ValueError):
        raise Failure("the hub ended before it had answered", hint="see its log") from None
    finally:
        writer.close()


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
