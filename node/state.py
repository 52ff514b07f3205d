"""Who the node is: which hub it trusts and by which keys, its name there, its credentials, its epoch."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from node import files
from node.wire import Invitation, WireError, proof_of
from node.wire.shapes import build, dump, parse

CREDENTIAL: Final = 32
OLDER: Final = 30
"""Credentials kept beside the present one: a month of them, as they change daily."""
ANSWERED: Final = 16
"""Invitations of which it is known that they were answered: a code may stay before the camera."""


class StateError(Exception):
    """The node does not know who it is; the text says why."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where the hub was found last, and the SHA-256 of its present and its next public key."""

    host: str
    port: int
    pin: bytes
    backup: bytes

    @property
    def pins(self) -> frozenset[bytes]:
        return frozenset((self.pin, self.backup))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Pairing:
    """An invitation that was read and not yet answered, with the credential that was made for it.

    `beside`: a code that the camera saw while the node had a hub. That one is tried in turn, and may take it back.
    """

    hub: HubAddress
    token: bytes = field(repr=False)
    credential: bytes = field(repr=False)
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Paired:
    """A hub that knows this node.

    `before` is the spool's number before the first of `epoch`: what the hub is told is counted from there. `offered` is
    a credential that was made on the hub's request and has not been used yet. `confirmed`: it has welcomed the node.
    `older`: credentials that a hub may know that was restored from before it took newer ones.
    """

    hub: HubAddress
    node: str
    epoch: int
    before: int
    credential: bytes = field(repr=False)
    offered: bytes | None = field(default=None, repr=False)
    confirmed: bool = False
    older: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def credentials(self) -> tuple[bytes, ...]:
        """In the order in which they are worth trying."""
        newest = () if self.offered is None else (self.offered,)
        return (*newest, self.credential, *self.older)


@dataclass(frozen=True, slots=True)
class Former:
    """Who the node was with the hub that the pictures in its spool are for; `known` are SHA-256 of its credentials."""

    node: str
    known: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Content:
    """`owner` is the hub that the pictures in the spool are for, `former` who the node was there if it left.

    `answered` are SHA-256 of tokens.
    """

    paired: Paired | None = None
    pairing: Pairing | None = None
    owner: HubAddress | None = None
    former: Former | None = None
    coming: Paired | None = None
    answered: tuple[bytes, ...] = ()
    strayed: bool = False


class State:
    """The file of it: mode 0600, replaced whole and durably at each change; a change raises OSError if it cannot be."""

    def __init__(self, file: Path) -> None:
        """Raises StateError where the file is there and cannot be read."""
        self._file = file
        self._content = _read(file)

    @property
    def paired(self) -> Paired | None:
        return self._content.paired

    @property
    def pairing(self) -> Pairing | None:
        return self._content.pairing

    @property
    def coming(self) -> Paired | None:
        """Another hub that has taken the node in, by a code, while its own was away; the node is its own hub's yet."""
        return self._content.coming

    @property
    def torn(self) -> bool:
        """Whether two hubs are to be tried in turn: the node's own, and one whose code its camera saw."""
        other = self.coming is not None if self.pairing is None else self.pairing.beside
        return other and self.paired is not None

    def knows(self, invitation: Invitation) -> bool:
        """Whether it is followed already, or was answered."""
        now = self.pairing
        return _digest(invitation.token) in self._content.answered or (
            now is not None and now.token == invitation.token
        )

    def invite(self, invitation: Invitation, beside: bool = False) -> None:
        """The node is to pair; until that has worked it is what it was."""
        hub = HubAddress(invitation.host, invitation.port, invitation.pin, invitation.backup)
        if (now := self.pairing) is not None and (now.hub, now.token) == (hub, invitation.token):
            return  # shown twice: with another credential it would be a replay
        fresh = Pairing(hub, invitation.token, secrets.token_bytes(CREDENTIAL), beside)
        self._save(replace(self._content, pairing=fresh))

    def uninvite(self) -> None:
        """Nobody answered the invitation."""
        self._save(replace(self._content, pairing=None))

    def refused(self) -> None:
        """The invitation was used before, or is too old."""
        self._save(replace(self._content, pairing=None, answered=self._answered()))

    @property
    def former(self) -> Former | None:
        """Who the node is, or was, with the hub that the pictures in the spool are for."""
        paired = self.paired
        if paired is None or paired.hub != self._content.owner:
            return self._content.former
        return Former(paired.node, tuple(map(_digest, paired.credentials)))

    def accepted(self, node: str, epoch: int, before: int, pin: bytes, proof: bytes | None) -> None:
        """The hub, whose key has this pin, has answered the invitation: what the node was to others is forgotten."""
        pairing = self._asked()
        paired = Paired(pairing.hub, node, epoch, before, pairing.credential)
        owner, former = (pairing.hub, None) if self.owned_by(pin, proof) else (self._content.owner, self.former)
        self._save(_Content(paired, owner=owner, former=former, answered=self._answered()))

    def owned_by(self, pin: bytes, proof: bytes | None) -> bool:
        """Whether the hub that answered the invitation is the one that the pictures are for.

        That shows in its key, which has this pin, or in its proof.
        """
        pairing, owner, former = self._asked(), self._content.owner, self.former
        if owner is None or pin in owner.pins:
            return True
        if former is None or proof is None:
            return False
        proofs = [proof_of(known, pin, pairing.token, pairing.credential) for known in former.known]
        return any(hmac.compare_digest(proof, one) for one in proofs)

    # ---- between two hubs

    def taken_in(self, node: str, epoch: int) -> None:
        """Another hub has answered the invitation; the node stays with its own for the time being."""
        pairing = self._asked()
        coming = Paired(pairing.hub, node, epoch, 0, pairing.credential)
        self._save(replace(self._content, pairing=None, coming=coming, answered=self._answered()))

    def expected(self, **fields: object) -> None:
        """The other hub has given it another `epoch`, or has `confirmed` it."""
        if (coming := self.coming) is not None and (changed := replace(coming, **fields)) != coming:  # type: ignore[arg-type]
            self._save(replace(self._content, coming=changed))

    def stay(self) -> None:
        """The node's own hub has it again, or the other does not want it."""
        kept = None if self.pairing is None or self.pairing.beside else self.pairing
        self._save(replace(self._content, pairing=kept, coming=None))

    @property
    def strayed(self) -> bool:
        """Whether it is in a Wi-Fi that a code brought since its hub was last there."""
        return self._content.strayed

    def stray(self) -> None:
        self._save(replace(self._content, strayed=True))

    def hand_over(self, before: int) -> None:
        """The node is the other hub's from now on."""
        if (coming := self.coming) is not None:
            paired = replace(coming, before=before, confirmed=False)
            self._save(replace(self._content, paired=paired, former=self.former, coming=None))

    # ---- with its hub

    @property
    def moves_out(self) -> bool:
        """Whether the pictures in the spool are for another hub than the node is paired with."""
        return self.paired is not None and self._content.owner not in (None, self.paired.hub)

    def moved_in(self, before: int) -> None:
        """Nothing of the other hub's is left; numbers of this one's follow `before`."""
        if self.paired is not None:
            paired = replace(self.paired, before=before)
            self._save(replace(self._content, paired=paired, owner=paired.hub, former=None))

    def moved(self, epoch: int, before: int) -> None:
        self._change(epoch=epoch, before=before)

    def confirmed(self) -> None:
        """Its hub has welcomed it."""
        if self.paired is not None and (self.strayed or not self.paired.confirmed):
            self._save(replace(self._content, paired=replace(self.paired, confirmed=True), strayed=False))

    def offer(self) -> bytes:
        """A new credential, to be used from the next connection on."""
        fresh = secrets.token_bytes(CREDENTIAL)
        self._change(offered=fresh)
        return fresh

    def used(self, credential: bytes) -> None:
        """The hub took this credential; the others are kept for a hub that knows none newer."""
        if self.paired is not None and (self.paired.offered is not None or credential != self.paired.credential):
            others = tuple(other for other in self.paired.credentials if other != credential)
            self._change(credential=credential, offered=None, older=others[:OLDER])

    def keys(self, present: bytes, following: bytes) -> None:
        """The hub showed the key of the one pin and says that its next one has the other."""
        if self.paired is not None and (present, following) != (self.paired.hub.pin, self.paired.hub.backup):
            hub = replace(self.paired.hub, pin=present, backup=following)
            self._save(replace(self._content, paired=replace(self.paired, hub=hub), owner=hub))

    def forget(self) -> None:
        """The hub has removed the node."""
        self._save(replace(self._content, paired=None, former=self.former))

    def _asked(self) -> Pairing:
        if self.pairing is None:
            raise StateError("nobody was asked")
        return self.pairing

    def _answered(self) -> tuple[bytes, ...]:
        return (_digest(self._asked().token), *self._content.answered)[:ANSWERED]

    def _change(self, **fields: object) -> None:
        if self.paired is None:
            raise StateError("the node is not paired")
        self._save(replace(self._content, paired=replace(self.paired, **fields)))  # type: ignore[arg-type]

    def _save(self, content: _Content) -> None:
        files.replace(self._file, json.dumps(dump(content)).encode())
        self._content = content


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


def _read(file: Path) -> _Content:
    try:
        return build(_Content, parse(file.read_text("utf-8")), "the identity")
    except FileNotFoundError:
        return _Content()
    except (OSError, UnicodeDecodeError, WireError) as error:
        why = error.strerror if isinstance(error, OSError) else "its content is damaged"
        raise StateError(f"{file} cannot be read: {why}") from None
