"""One connection to the hub, from its first message to its end: the node's side of docs/node-protocol.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import singledispatchmethod
from typing import Any, Final, Protocol

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMessage, WSMsgType

from node.camera import CameraError
from node.clock import Clock, HubTime
from node.counters import OTHER_HUB
from node.entries import Outgoing
from node.log import Log
from node.segments import Kind
from node.state import Paired, Pairing, State
from node.wire import (
    LIVE_US,
    Accepted,
    Acknowledged,
    Close,
    Configure,
    Configured,
    Credential,
    Dropped,
    FromHub,
    FromNode,
    Health,
    Hello,
    Identify,
    Moment,
    Pair,
    Picture,
    PictureKind,
    Ping,
    Pong,
    Refused,
    Rotate,
    TakeSnapshot,
    Update,
    Waiting,
    Watched,
    Welcome,
    WireError,
    decode_from_hub,
    encode,
    encode_picture,
)

SILENCE: Final = 60.0
"""Seconds without a word from the hub after which the connection is given up; it pings every twenty."""
ANSWER: Final = 15.0
"""Seconds that the hub has for its answer to the first message."""
HEALTH: Final = 60.0
FAREWELL: Final = 2.0
BESIDE: Final = (Accepted, Waiting, Welcome, Ping, TakeSnapshot, Identify)
"""What is heeded of a hub that the node is not working for."""
UNWELCOMED: Final = (*BESIDE, Update)
"""And of its own before it has welcomed the node."""
OVER: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class Board(Protocol):
    """What the hub may want of the rest of the node."""

    software: str
    board: str

    async def snapshot(self) -> tuple[Moment, bytes]:
        """A picture now. Raises CameraError."""
        ...

    async def obey(self, version: str, config: Mapping[str, Any]) -> None:
        """Raises ValueError, which says what is wrong with it, and OSError."""
        ...

    async def health(self) -> Health: ...
    def identify(self, seconds: float) -> None: ...
    def offered(self, update: Update) -> None: ...
    def heard(self) -> None:
        """The hub said something."""
        ...


class Ended(Exception):
    """The connection is over, with this close code if any; `ours` when it is the node that ends it."""

    def __init__(self, code: int | None, ours: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.ours = ours


class Session:
    """`pin` is of the key that the hub showed, `credential` what the node says to it. `target`: as whom it comes.

    `taken_in` is called when the hub knows the node, with whether an administrator has confirmed it. `beside` says that
    the hub is not the node's own (yet): then it gets snapshots and health, and nothing that it says changes anything.
    """

    def __init__(
        self,
        socket: ClientWebSocketResponse,
        state: State,
        log: Log,
        board: Board,
        clock: Clock,
        hub_time: HubTime,
        taken_in: Callable[[bool], None],
        pin: bytes,
        target: Pairing | Paired,
        credential: bytes,
        silence: float = SILENCE,
    ) -> None:
        self.beside = target is state.coming
        self._socket = socket
        self._state = state
        self._log = log
        self._board = board
        self._clock = clock
        self._hub_time = hub_time
        self._tell_taken_in = taken_in
        self._pin = pin
        self._credential = credential
        self._silence = silence
        self._pairing = target if isinstance(target, Pairing) else None
        self._welcomed = False
        self._credits = 0
        self._largest = 0
        self._may_send = asyncio.Event()
        self._answered = asyncio.Event()
        self._snapshots: set[asyncio.Task[None]] = set()

    async def run(self) -> int | None:
        """Talks until the end; answers the close code, if there was one. Raises OSError when the card takes nothing."""
        tasks = [asyncio.create_task(part()) for part in (self._listen, self._tell, self._report)]
        try:
            await self._log.rewind()
            await self._greet()
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except Ended as end:
            await self._stop(tasks)
            if end.ours:
                await self._close(end.code or WSCloseCode.OK)
                return end.code
            return end.code if end.code in tuple(Close) else await self._last_words()
        finally:
            await self._stop(tasks)
            await self._close(WSCloseCode.GOING_AWAY)
        raise AssertionError("a part of a connection ended without a reason")

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        left = [*tasks, *self._snapshots]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _close(self, code: int) -> None:
        """Soon, whether the hub answers or not; nothing where it is closed."""
        with suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.close(code=code)

    async def _last_words(self) -> int | None:
        """Where sending failed first: what the hub said before it closed."""
        with suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(FAREWELL):
                while (found := await self._socket.receive()).type not in OVER:
                    continue
                return self._code(found)
        return None

    def _code(self, found: WSMessage) -> int | None:
        """What the hub closed with; aiohttp forgets it where its own farewell cannot be sent any more."""
        return int(found.data) if found.type is WSMsgType.CLOSE and found.data else self._socket.close_code

    # ---- its parts

    async def _greet(self) -> None:
        software, board = self._board.software, self._board.board
        if self._pairing is not None:
            was = self._state.former
            known_as = None if was is None else was.node
            await self._send(Pair(self._pairing.token, self._credential, software, board, was=known_as))
            return
        paired = self._paired()
        last = 0 if self.beside else await self._log.last() - paired.before
        now = self._clock.now()
        await self._send(Hello(paired.node, self._credential, paired.epoch, last, now, software, board))

    async def _listen(self) -> None:
        while True:
            patience = self._silence if self._answered.is_set() else min(ANSWER, self._silence)
            try:
                async with asyncio.timeout(patience):
                    found = await self._socket.receive()
            except TimeoutError:
                raise Ended(Close.SILENT, ours=True) from None
            if found.type in OVER:
                raise Ended(self._code(found))
            self._board.heard()
            if found.type is not WSMsgType.TEXT:
                continue
            try:
                message = decode_from_hub(found.data)
            except WireError:
                raise Ended(Close.MALFORMED, ours=True) from None
            if message is not None and self._heeds(message):
                await self._take(message)

    def _heeds(self, message: FromHub) -> bool:
        """Whether the hub may say this now; else whoever has a code could give orders, or have pictures forgotten."""
        if self._pairing is not None:
            return isinstance(message, Accepted)
        return isinstance(message, BESIDE if self.beside else UNWELCOMED) or (self._welcomed and not self.beside)

    async def _tell(self) -> None:
        """Sends the log, in order, as far as credits go."""
        while True:
            await self._may_send.wait()
            entry = await self._log.take(self._largest)
            self._credits -= 1
            if not self._credits:
                self._may_send.clear()
            await self._send(self._message(entry))

    async def _report(self) -> None:
        await self._answered.wait()
        while True:
            await self._send(await self._board.health())
            await asyncio.sleep(HEALTH)

    async def _show(self, request: int) -> None:
        try:
            at, jpeg = await self._board.snapshot()
        except CameraError:
            return
        await self._send(Picture(PictureKind.SNAPSHOT, request, at, jpeg))

    async def _accepted(self, pairing: Pairing, message: Accepted) -> None:
        """The hub has taken the node in: beside its own, where a code alone speaks for this one."""
        own = self._state.paired
        claimed = own is not None and own.confirmed and pairing.beside
        if self._state.pairing is pairing and claimed and not self._state.owned_by(self._pin, message.proof):
            self._state.taken_in(message.node, message.epoch)
            self.beside = True
            await self._log.note(OTHER_HUB)
            return
        before = await self._log.restart()
        if self._state.pairing is not pairing:  # another invitation came meanwhile
            raise Ended(None, ours=True)
        self._state.accepted(message.node, message.epoch, before, self._pin, message.proof)

    def _message(self, entry: Outgoing) -> Picture | Watched | Dropped:
        before = self._paired().before
        number = entry.number - before
        if entry.kind is Kind.WATCHED:
            return Watched(number, entry.at, entry.lens)
        if entry.kind is Kind.DROPPED:
            return Dropped(number, entry.last - before, entry.count, entry.reason)
        now = self._clock.now()
        live = now.boot == entry.at.boot and now.mono - entry.at.mono < LIVE_US
        return Picture(PictureKind.FRAME, number, entry.at, entry.jpeg, live)

    async def _send(self, message: FromNode | Picture) -> None:
        try:
            if isinstance(message, Picture):
                await self._socket.send_bytes(encode_picture(message))
            else:
                await self._socket.send_str(encode(message))
        except (OSError, RuntimeError):
            raise Ended(self._socket.close_code) from None

    def _paired(self) -> Paired:
        if (paired := self._state.coming if self.beside else self._state.paired) is None:
            raise Ended(None, ours=True)
        return paired

    def _more(self, credits_back: int) -> None:
        self._credits += max(0, credits_back)
        if self._credits:
            self._may_send.set()

    def _taken_in(self, confirmed: bool) -> None:
        if not self.beside:
            self._state.used(self._credential)
            if confirmed:
                self._state.confirmed()
        self._answered.set()
        self._tell_taken_in(confirmed)

    async def _obey(self, version: str, config: Mapping[str, Any]) -> None:
        problem = None
        try:
            await self._board.obey(version, config)
        except (ValueError, OSError) as error:
            problem = str(error)[:500]
        await self._send(Configured(version, problem))

    # ---- what the hub says

    @singledispatchmethod
    async def _take(self, message: FromHub) -> None:
        """What needs no answer."""

    @_take.register
    async def _(self, message: Accepted) -> None:
        if self._pairing is not None:
            await self._accepted(self._pairing, message)
            self._pairing = None
        elif not self._answered.is_set():
            if self.beside:
                self._state.expected(epoch=message.epoch)
            else:
                self._state.moved(message.epoch, await self._log.restart())
            await self._greet()

    @_take.register
    async def _(self, message: Waiting) -> None:
        self._taken_in(confirmed=False)

    @_take.register
    async def _(self, message: Welcome) -> None:
        if self.beside:
            self._state.expected(confirmed=True)
            self._taken_in(confirmed=True)
            return
        self._welcomed = True
        self._hub_time.told(message.now)
        if self._state.moves_out:
            await self._log.clear()
            self._state.moved_in(await self._log.restart())
        before = self._paired().before
        await self._log.believe(before + message.acknowledged)
        self._taken_in(confirmed=True)
        if message.backup is not None and len(message.backup) == len(self._pin):
            self._state.keys(self._pin, message.backup)
        await self._obey(message.version, message.config)
        self._largest = message.largest_picture
        self._credits = 0
        self._more(message.credits)

    @_take.register
    async def _(self, message: Acknowledged) -> None:
        before = self._paired().before
        await self._log.settle([(before + max(first, 1), before + last) for first, last in message.ranges])
        self._more(message.credits)

    @_take.register
    async def _(self, message: Refused) -> None:
        if message.seq > 0:
            await self._log.refuse(self._paired().before + message.seq, message.reason)
        self._more(message.credits)

    @_take.register
    async def _(self, message: Ping) -> None:
        await self._send(Pong(message.ping, self._clock.now()))
        if not self.beside:
            self._hub_time.told(message.now)

    @_take.register
    async def _(self, message: Configure) -> None:
        await self._obey(message.version, message.config)

    @_take.register
    async def _(self, message: TakeSnapshot) -> None:
        if len(self._snapshots) < 4:
            task = asyncio.create_task(self._show(message.request))
            self._snapshots.add(task)
            task.add_done_callback(self._snapshots.discard)

    @_take.register
    async def _(self, message: Identify) -> None:
        self._board.identify(message.seconds)

    @_take.register
    async def _(self, message: Rotate) -> None:
        await self._send(Credential(self._state.offer()))

    @_take.register
    async def _(self, message: Update) -> None:
        self._board.offered(message)
