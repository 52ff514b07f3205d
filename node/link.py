"""The node's one connection to its hub: made, kept, and made again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from enum import Enum
from typing import Any, Final, TypeAlias

import aiohttp
from yarl import URL

from node.board import has_network
from node.claims import Claims
from node.clock import Clock, HubTime
from node.counters import OTHER_KEY
from node.discovery import search
from node.log import Log
from node.pauses import Pauses
from node.session import SILENCE, Board, Session
from node.state import HubAddress, Paired, Pairing, State
from node.trust import PinnedKey
from node.wire import LONGEST_TEXT, PATH, Close, Invitation

logger = logging.getLogger("fras.node")

CONNECT: Final = 20.0
"""Seconds for name, TCP, TLS and WebSocket together."""
LOST: Final = 3
"""Failures in a row after which the hub is looked for elsewhere in the network."""
ELSEWHERE: Final = (
    "The node's own hub does not answer, and another one's code was shown to it. It changes to that one once it is "
    "confirmed there and its own has not answered for two hours, or has removed it."
)
OLDER: Final = (
    "The hub does not take this node's credential; it may have been restored from a backup. "
    "Older credentials are tried: number {number} of {all}."
)

Reached: TypeAlias = tuple[aiohttp.ClientWebSocketResponse, bytes]
"""A connection, and the pin of the key that was shown on it."""


class Phase(Enum):
    """How far the node has come, for its lights and `fras-node status`."""

    UNPAIRED = "waiting for a code"
    NO_NETWORK = "no network"
    NO_HUB = "no answer from the hub"
    REFUSED = "refused by the hub: it must be paired again"
    UNCONFIRMED = "waiting to be confirmed in the panel"
    CONNECTED = "connected"


SAYS: Final = {
    None: "The connection broke.",
    Close.MALFORMED: "The hub found a message against the rules: one of the two has a fault, or is much older.",
    Close.UNAUTHORISED: "The hub does not know this node: make an invitation and show it.",
    Close.REVOKED: "An administrator has removed this node: make an invitation and show it.",
    Close.REPLACED: "The hub has a newer connection of this node.",
    Close.DUPLICATE: "Another board is connected in this node's name: a card was copied. Pair one of the two anew.",
    Close.VERSION: "Node and hub have no version of the protocol in common: update the node.",
    Close.TOO_FAST: "The hub takes fewer pictures than this node sends.",
    Close.SILENT: "The hub was silent.",
    Close.STOPPING: "The hub restarts.",
}


class Link:
    """`phase` and `problem` (a sentence, or empty) say how it is; `changed` is called when one of them has changed."""

    def __init__(
        self,
        state: State,
        log: Log,
        board: Board,
        clock: Clock,
        hub_time: HubTime,
        changed: Callable[[], None] = lambda: None,
        discover: Callable[[], Awaitable[list[tuple[str, int]]]] = search,
        pauses: Pauses | None = None,
        silence: float = SILENCE,
    ) -> None:
        self.phase = Phase.UNPAIRED if state.paired is None else Phase.NO_HUB
        self.problem = ""
        self._state = state
        self._log = log
        self._board = board
        self._clock = clock
        self._hub_time = hub_time
        self._changed = changed
        self._discover = discover
        self._pauses = pauses or Pauses()
        self._silence = silence
        self._claims = Claims(state, log, clock)
        self._invited = asyncio.Event()
        self._failures = 0
        self._impostors: set[HubAddress] = set()
        self._pause = 0.0

    @property
    def wants_code(self) -> bool:
        """Whether a code before the camera is of use: the node has no hub, or its own is away."""
        return self.phase is Phase.REFUSED or (self.phase is not Phase.CONNECTED and self._claims.wants_code)

    def invite(self, invitation: Invitation) -> bool:
        """Pairs with whoever made this invitation; whatever is connected is left for it. Raises OSError."""
        return self._invite(invitation, beside=False)

    def shown(self, invitation: Invitation) -> bool:
        """The same for one that the camera saw, unless it is known; whether it is followed. Raises OSError.

        Who can hold something before a camera is not who may take it from its hub: that one keeps its claim, unless it
        has itself let the node go.
        """
        if not self.wants_code or self._state.knows(invitation):
            return False
        return self._invite(invitation, beside=self._claims.held)

    def _invite(self, invitation: Invitation, beside: bool) -> bool:
        leave = self._claims.invite(invitation, beside)
        self._failures = 0
        if leave:
            self._invited.set()
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._invited.clear()
            await self._hand_over()
            target = self._claims.next()
            if target is None:
                self._become(Phase.UNPAIRED, self.problem)
                await self._invited.wait()
                continue
            others = [self._invited.wait(), self._claims.turn_ends()] if self._state.torn else [self._invited.wait()]
            if await self._unless(self._attempt(target), *others):
                await self._clock.rest(self._pause, self._invited)

    async def _hand_over(self) -> None:
        try:
            await self._claims.hand_over()
        except OSError as error:
            self._become(Phase.NO_HUB, f"The card cannot be written: {error.strerror}.")

    async def _unless(self, attempt: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, object]) -> bool:
        """Whether it came to its own end before one of the others did."""
        tasks = [asyncio.create_task(part) for part in (attempt, *others)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                await tasks[0]
            return tasks[0].done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _attempt(self, target: Pairing | Paired) -> None:
        """One connection, and what follows from its end."""
        async with AsyncExitStack() as stack:
            reached = await self._reach(stack, target.hub)
            if reached is None:
                self._pause = 0.0 if self._claims.tries_own else self._pauses.after(None)
                self._claims.unanswered()
                return
            self._failures = 0
            parts = (self._state, self._log, self._board, self._clock, self._hub_time)
            socket, pin = reached
            session = Session(
                socket, *parts, self._taken_in, pin, target, self._claims.credential(target), self._silence
            )
            try:
                code = await session.run()
            except OSError as error:
                self._become(Phase.NO_HUB, f"The card cannot be written: {error.strerror}.")
                self._pause = self._pauses.after(Close.TOO_FAST)
                return
            finally:
                if self.phase is Phase.CONNECTED:
                    self._claims.own_is_here()
        self._ended(code, target, session.beside)

    def _ended(self, code: int | None, target: Pairing | Paired, beside: bool) -> None:
        close = next((known for known in Close if known == code), None)
        problem, phase, soon = SAYS.get(close, SAYS[None]), Phase.NO_HUB, False
        if beside:
            if close in (Close.UNAUTHORISED, Close.REVOKED):
                self._state.stay()
                soon = True
        elif close is Close.UNAUTHORISED and self._state.pairing is target:
            problem = "The hub does not take this invitation: it was used, or is too old. Make another one."
            self._state.refused()
            soon = True
        elif close is Close.UNAUTHORISED and self._state.paired is not None:
            phase = Phase.REFUSED
            number, older = self._claims.refused(), len(self._state.paired.credentials) - 1
            soon = number == 1 and self._state.paired.offered is not None  # it may never have arrived
            if number <= older:
                problem = OLDER.format(number=number, all=older)
                code = Close.TOO_FAST  # nobody has to help yet, and the hub bears no more
        elif close is Close.REVOKED:
            self._state.forget()
            soon = True
        self._pause = 0.0 if soon else self._pauses.after(code)
        logger.info("%s", problem)
        self._become(phase, problem)

    async def _reach(self, stack: AsyncExitStack, hub: HubAddress) -> Reached | None:
        places = [(hub.host, hub.port)]
        if self._failures >= LOST:
            places += [place for place in await self._discover() if place not in places]
        for host, port in places:
            try:
                reached = await self._open(stack, host, port, hub)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if isinstance(error, aiohttp.ServerFingerprintMismatch) and (host, port) == places[0]:
                    await self._impostor(hub)
                self._unreachable(f"{host}, port {port}", error)
            else:
                self._impostors.discard(hub)
                return reached
        self._failures += 1
        return None

    async def _open(self, stack: AsyncExitStack, host: str, port: int, hub: HubAddress) -> Reached:
        """Raises ClientError, OSError, and ValueError for a host that is none."""
        url = URL.build(scheme="wss", host=host, port=port, path=PATH)
        key = PinnedKey(hub.pins)
        connector = aiohttp.TCPConnector(ssl=key, limit=1)
        session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        stack.push_async_callback(session.close)
        async with asyncio.timeout(CONNECT):
            return await session.ws_connect(url, max_msg_size=LONGEST_TEXT + 1), key.met

    async def _impostor(self, hub: HubAddress) -> None:
        """Says and counts it, once for as long as the hub itself does not answer."""
        if hub not in self._impostors:
            self._impostors.add(hub)
            logger.warning("At %s answers somebody with another key than the hub's. Nothing was sent.", hub)
            await self._log.note(OTHER_KEY)

    def _unreachable(self, place: str, error: Exception) -> None:
        if isinstance(error, aiohttp.ServerFingerprintMismatch):
            problem = f"At {place} answers somebody with another key than the hub's. Nothing was sent."
        elif isinstance(error, aiohttp.WSServerHandshakeError):
            problem = f"At {place} answers something that takes no nodes (status {error.status})."
        else:
            problem = f"There is no answer from {place}."
        if not self._claims.tries_own:
            self._become(Phase.NO_HUB if has_network() else Phase.NO_NETWORK, problem)

    def _become(self, phase: Phase, problem: str = "") -> None:
        if (phase, problem) != (self.phase, self.problem):
            self.phase, self.problem = phase, problem
            self._changed()

    def _taken_in(self, confirmed: bool) -> None:
        self._pauses.worked()
        if not self._claims.taken_in(confirmed):
            self._become(Phase.UNCONFIRMED, ELSEWHERE)
        else:
            self._become(Phase.CONNECTED if confirmed else Phase.UNCONFIRMED)
