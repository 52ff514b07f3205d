"""Whose node this is: its own hub's, and perhaps also another's, whose code was shown to it while its own was away."""

from __future__ import annotations

import logging
from typing import Final

from node.clock import Clock
from node.log import Log
from node.state import Paired, Pairing, State
from node.wire import Invitation

logger = logging.getLogger("fras.node")

INVITATION_US: Final = 15 * 60 * 1_000_000
"""How long an invitation is tried; the hub's are good for ten minutes."""
LOOKS_AFTER: Final = 300.0
"""Seconds without its hub after which a confirmed node looks for a code: longer than a hub or a switch restarts."""
HOLDS: Final = 7200.0
"""Seconds for which a hub may be away without losing a node to another one, whose code was shown to it."""
TURN: Final = 60.0
"""Seconds with the one of two hubs before the other is tried."""


class Claims:
    """Says which hub is tried next, with which credential, and when the node changes to another one.

    The node's state keeps what has to outlive a power cut; here is what this run of the node has seen.
    """

    def __init__(self, state: State, log: Log, clock: Clock) -> None:
        self._state = state
        self._log = log
        self._clock = clock
        self._invited_at = self._own_at = clock.now().mono
        self._own_turn = False
        self._waits = False
        """Whether the hub that is tried has taken the node in."""
        self._refused = 0
        """Credentials in a row that its own hub did not take."""

    @property
    def wants_code(self) -> bool:
        """Whether a code is of use to a node that is not connected."""
        paired = self._state.paired
        if paired is None or not paired.confirmed:
            return True
        return self._state.pairing is not None or self._state.torn or self._away() >= LOOKS_AFTER

    @property
    def held(self) -> bool:
        """Whether the node has a hub that has not let it go."""
        return self._state.paired is not None and not self._let_go()

    @property
    def tries_own(self) -> bool:
        """Whether the node's own hub is being tried while another one has taken it in, or is to."""
        return self._state.torn and self._own_turn

    def invite(self, invitation: Invitation, beside: bool) -> bool:
        """Follows it, `beside` the claim of the node's own hub or in its place; whether what is under way is left.

        Raises OSError.
        """
        again = beside and self._state.torn
        self._state.invite(invitation, beside)
        self._invited_at = self._clock.now().mono
        if not again:
            self._own_turn = True  # the next is the other's
        return not (again and self._own_turn)  # however many codes are shown, they take no turn from its own hub

    def unanswered(self) -> None:
        """The hub that is tried is not there; an invitation is not tried for ever."""
        if self._state.pairing and self._clock.now().mono - self._invited_at > INVITATION_US:
            self._state.uninvite()

    def next(self) -> Pairing | Paired | None:
        """Whom to try; None while the node has no hub."""
        self._waits = False
        if not self._state.torn:
            return self._state.pairing or self._state.paired
        self._own_turn = not self._own_turn
        return self._state.paired if self._own_turn else self._state.pairing or self._state.coming

    async def turn_ends(self) -> None:
        """Returns when the node has waited for its welcome, and another hub may have one for it."""
        while True:
            await self._clock.rest(TURN)
            if self._waits and self._state.torn:
                return

    def credential(self, target: Pairing | Paired) -> bytes:
        """One that was not refused yet, as long as there is one."""
        known = target.credentials if isinstance(target, Paired) else (target.credential,)
        return known[self._refused % len(known)]

    def refused(self) -> int:
        """The node's own hub has not taken its credential; how many it has refused by now."""
        self._refused += 1
        return self._refused

    def taken_in(self, confirmed: bool) -> bool:
        """The hub that is tried has taken the node in; whether the node is its own."""
        self._waits = True
        if self._state.torn and not self._own_turn:
            return False
        self._refused = 0
        if confirmed and self._state.torn:
            logger.warning("The node's own hub answers again: the code that was shown meanwhile is not followed.")
            self._state.stay()
        return True

    def own_is_here(self) -> None:
        """Until now."""
        self._own_at = self._clock.now().mono

    async def hand_over(self) -> None:
        """Goes to the hub that took the node in beside its own, once that is away for good, or has let it go.

        Raises OSError.
        """
        coming, paired = self._state.coming, self._state.paired
        if coming is None or self._state.pairing is not None:
            return
        there = self._waits and not self._own_turn and coming.confirmed
        if paired is None or (there and (self._let_go() or self._away() >= HOLDS)):
            logger.warning("From now on this node is of the hub at %s: its own is away, or has let it go.", coming.hub)
            self._state.hand_over(await self._log.restart())
            self._refused = 0

    def _let_go(self) -> bool:
        """Whether its hub has refused all of the node's credentials."""
        paired = self._state.paired
        return paired is not None and self._refused >= len(paired.credentials)

    def _away(self) -> float:
        """Seconds since the node's hub was last there, or the node started."""
        return (self._clock.now().mono - self._own_at) / 1e6
