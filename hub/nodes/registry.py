"""Who may be a node of this hub: invitations, credentials and epochs, in the database. Works beside a running hub."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from hub.db import nodes as rows
from hub.db.engine import Database
from hub.db.nodes import Invited, Node, NodeState
from hub.failure import Failure
from hub.plugin import Clock
from node.wire import Close, Hello, Pair, proof_of

LIFETIME: Final = timedelta(minutes=10)
"""How long an invitation is good, at most."""
TOKEN: Final = 20
"""Bytes of a token: 160 bits, without padding in base32."""
KEPT: Final = timedelta(days=1)
"""For how long it is known of a token that it ended, so that the log can say so."""


class Refusal(StrEnum):
    """Why somebody was turned away, for the log, the counts and the administrator."""

    UNKNOWN_TOKEN = "unknown token"  # noqa: S105
    EXPIRED_TOKEN = "expired token"  # noqa: S105
    USED_TOKEN = "token used before"  # noqa: S105
    UNKNOWN_NODE = "unknown node"
    WRONG_CREDENTIAL = "wrong credential"
    RETIRED_CREDENTIAL = "credential from before its rotation"
    REVOKED = "revoked"
    DUPLICATE = "credential in use by another connection"
    MALFORMED = "malformed message"
    NUMBER_TWICE = "number given to two pictures"
    TOO_LARGE = "message too large"
    TOO_FAST = "more than its limits allow"
    VERSION = "no common version"
    SILENT = "silent"
    CROWDED = "too many at once"
    TOO_OFTEN = "failed too often before"


CLOSE: Final = {
    Refusal.REVOKED: Close.REVOKED,
    Refusal.DUPLICATE: Close.DUPLICATE,
    Refusal.MALFORMED: Close.MALFORMED,
    Refusal.NUMBER_TWICE: Close.MALFORMED,
    Refusal.TOO_LARGE: Close.MALFORMED,
    Refusal.TOO_FAST: Close.TOO_FAST,
    Refusal.VERSION: Close.VERSION,
    Refusal.SILENT: Close.SILENT,
}
"""What the other side is told; for all others that it is not authorised, and no more."""


class Refused(Exception):
    """`node` is known where somebody who named it was refused."""

    def __init__(self, refusal: Refusal, node: str = "") -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.node = node


@dataclass(frozen=True, slots=True)
class Invite:
    """`token` is shown once and kept nowhere."""

    token: bytes
    camera: str
    room: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """What a connection has seen of its node; fields as in Node."""

    node: str
    epoch: int
    acknowledged: int
    highest: int
    at: datetime
    health: Mapping[str, Any] | None
    boots: Mapping[str, int]


class Registry:
    """Every change here is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def version(self) -> str:
        async with self._database.read() as connection:
            return await rows.version(connection)

    async def everyone(self) -> list[Node]:
        async with self._database.read() as connection:
            return await rows.everyone(connection)

    async def one(self, node: str) -> Node:
        """Raises Failure where there is none."""
        async with self._database.read() as connection:
            found = await rows.one(connection, node)
        if found is None:
            raise Failure(f"there is no node {node}", hint="fras nodes list shows them")
        return found

    async def invitations(self) -> Sequence[Invited]:
        """Those that are open."""
        async with self._database.read() as connection:
            return await rows.open_invitations(connection, self._clock.now())

    async def invitation(self, token: bytes) -> Invited | None:
        async with self._database.read() as connection:
            return await rows.invitation(connection, _digest(token))

    async def invite(self, camera: str, room: str | None, lifetime: timedelta = LIFETIME) -> Invite:
        """A new invitation to be the camera; `room` where hub.yaml does not have it."""
        token = secrets.token_bytes(TOKEN)
        now = self._clock.now()
        invited = Invited(_digest(token), camera, room, now, now + min(lifetime, LIFETIME))
        async with self._database.write() as connection:
            await rows.forget_invitations(connection, now - KEPT)
            await rows.invite(connection, invited)
            await rows.changed(connection)
        return Invite(token, camera, room, invited.expires_at)

    async def pair(self, pair: Pair) -> Node:
        """Who the sender is from now on: the same for the same token and credential. Raises Refused."""
        now = self._clock.now()
        digest, credential = _digest(pair.token), _digest(pair.credential)
        async with self._database.write() as connection:
            invited = await rows.invitation(connection, digest, hold=True)
            if invited is None:
                raise Refused(Refusal.UNKNOWN_TOKEN)
            if now >= invited.expires_at or now < invited.made_at:
                raise Refused(Refusal.EXPIRED_TOKEN)
            if invited.node is not None:
                known = await rows.one(connection, invited.node)
                if known is None or not hmac.compare_digest(invited.credential or "", credential):
                    raise Refused(Refusal.USED_TOKEN, invited.node)
                if known.state is NodeState.REVOKED:
                    raise Refused(Refusal.REVOKED, known.id)
                return known
            epoch = await rows.last_epoch(connection, invited.camera) + 1
            while await rows.last_frame(connection, invited.camera, epoch) is not None:
                epoch += 1
            node = Node(
                id=f"n-{secrets.token_hex(4)}",
                camera=invited.camera,
                room=invited.room,
                state=NodeState.WAITING,
                epoch=epoch,
                acknowledged=0,
                highest=0,
                credential=credential,
                next_credential=None,
                retired_credential=None,
                credential_since=now,
                software=line_of(pair.software),
                board=line_of(pair.board),
                paired_at=now,
                confirmed_at=None,
                revoked_at=None,
                last_seen=now,
                health=None,
                refusals={},
                boots={},
            )
            await rows.add(connection, node)
            await rows.use(connection, digest, credential, node.id)
            await rows.changed(connection)
        return node

    async def proof(self, pair: Pair, pin: bytes) -> bytes | None:
        """Shows the sender that this hub, whose key has that pin, knew it, where that is so."""
        if pair.was is None:
            return None
        async with self._database.read() as connection:
            was = await rows.one(connection, pair.was)
        return None if was is None else proof_of(bytes.fromhex(was.credential), pin, pair.token, pair.credential)

    async def authenticate(self, hello: Hello) -> Node:
        """The node that says hello, with the credential that is its present one now. Raises Refused."""
        async with self._database.read() as connection:
            node = await rows.one(connection, hello.node)
        if node is None:
            raise Refused(Refusal.UNKNOWN_NODE)
        credential = _digest(hello.credential)
        present = hmac.compare_digest(node.credential, credential)
        coming = hmac.compare_digest(node.next_credential or "", credential)
        if not (present or coming):
            retired = hmac.compare_digest(node.retired_credential or "", credential)
            raise Refused(Refusal.RETIRED_CREDENTIAL if retired else Refusal.WRONG_CREDENTIAL, node.id)
        if node.state is NodeState.REVOKED:
            raise Refused(Refusal.REVOKED, node.id)
        new: dict[str, Any] = {"software": line_of(hello.software), "board": line_of(hello.board)}
        if coming:
            new |= {"credential": credential, "retired_credential": node.credential, "next_credential": None}
            new["credential_since"] = self._clock.now()
        return await self._put(node, **{name: value for name, value in new.items() if getattr(node, name) != value})

    async def number(self, node: Node, hello: Hello) -> Node:
        """The node in the epoch that it is to number its entries in: a new one where its own is not to be believed.

        That is where its numbers are behind what the hub has (a card was restored from a copy), or another epoch's.
        """
        async with self._database.read() as connection:
            highest = max(node.highest, await rows.last_frame(connection, node.camera, node.epoch) or 0)
        if hello.epoch == node.epoch and hello.last >= highest:
            return replace(node, highest=highest)
        if hello.epoch < node.epoch and highest == 0:  # it never heard of the epoch it was given
            return node
        return await self.renumber(node, beyond=hello.epoch)

    async def renumber(self, node: Node, beyond: int = 0) -> Node:
        """The node in a new epoch."""
        async with self._database.write() as connection:
            epoch = max(await rows.last_epoch(connection, node.camera), min(beyond, 2**52)) + 1
            while await rows.last_frame(connection, node.camera, epoch) is not None:
                epoch += 1
            await rows.put(connection, node.id, epoch=epoch, acknowledged=0, highest=0)
        return replace(node, epoch=epoch, acknowledged=0, highest=0)

    async def offer(self, node: Node, credential: bytes) -> Node:
        """Takes down the credential that the node will use from its next connection on."""
        return await self._put(node, next_credential=_digest(credential))

    async def confirm(self, node: str) -> Node:
        """Lets it deliver from now on, in place of whatever was this camera before. Raises Failure."""
        found = await self.one(node)
        if found.state is NodeState.REVOKED:
            raise Failure(f"node {node} was removed", hint="invite it again: fras nodes add")
        if found.state is NodeState.CONFIRMED:
            return found
        now = self._clock.now()
        async with self._database.write() as connection:
            for other in await rows.everyone(connection):
                if other.camera == found.camera and other.state is NodeState.CONFIRMED:
                    await rows.revoke(connection, other.id, now)
            await rows.put(connection, node, state=NodeState.CONFIRMED, confirmed_at=now)
            await rows.changed(connection)
        return replace(found, state=NodeState.CONFIRMED, confirmed_at=now)

    async def remove(self, node: str) -> Node:
        """Refuses it from now on. Raises Failure."""
        found = await self.one(node)
        if found.state is NodeState.REVOKED:
            return found
        now = self._clock.now()
        async with self._database.write() as connection:
            await rows.revoke(connection, node, now)
            await rows.changed(connection)
        return replace(found, state=NodeState.REVOKED, revoked_at=now)

    async def touch(self) -> None:
        """Has running hubs look anew."""
        async with self._database.write() as connection:
            await rows.changed(connection)

    async def note(self, seen: Sequence[Seen], refusals: Mapping[str, Mapping[str, int]]) -> None:
        """Writes down what connections have seen, and adds to each node's refusals."""
        async with self._database.write() as connection:
            for one in seen:
                told = {} if one.health is None else {"health": dict(one.health)}
                await rows.put(connection, one.node, last_seen=one.at, boots=dict(one.boots), **told)
                await rows.advance(connection, one.node, one.epoch, one.acknowledged, one.highest)
            for name, counts in refusals.items():
                if (node := await rows.one(connection, name)) is not None:
                    await rows.put(connection, name, refusals=dict(Counter(node.refusals) + Counter(counts)))

    async def _put(self, node: Node, **values: object) -> Node:
        if values:
            async with self._database.write() as connection:
                await rows.put(connection, node.id, **values)
        return replace(node, **values)  # type: ignore[arg-type]


def _digest(secret: bytes) -> str:
    """Of random bytes, so that no slow hash is needed."""
    return hashlib.sha256(secret).hexdigest()


def line_of(text: str, longest: int = 160) -> str:
    """What a node says, fit for one line of a page."""
    return "".join(char if char.isprintable() else " " for char in text[:longest]).strip()
