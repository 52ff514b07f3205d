"""Text messages: JSON objects whose `type` names a class of this module, its fields being the object's.

Fields that are None are left out. Bytes are base64url without padding. A message of a type that this side does not
know is ignored, so that either side may be newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, get_args

from .shapes import build, dump, parse
from .wire import VERSION, WireError

SECRET: Final = 32
"""Bytes of a credential, made by the node."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened on the node, in microseconds.

    `wall` is since 1970 by a clock that may be wrong; `mono` is since the board started and only ever grows;
    `boot` (32 bits, drawn at random at each start of the board) says which start `mono` counts from. `synchronised`
    says that the wall clock had been set from the network.
    """

    wall: int
    mono: int
    boot: int
    synchronised: bool = False


def _credential(secret: bytes) -> None:
    if len(secret) != SECRET:
        raise ValueError(f"a credential has {SECRET} bytes")


# ---- from the node


@dataclass(frozen=True, slots=True)
class Pair:
    """The first message of a node that found an invitation. `credential` is the key the node made.

    `was`: the node that it was when it took the pictures that it still has.
    """

    token: bytes
    credential: bytes
    software: str
    board: str = ""
    protocol: int = VERSION
    was: str | None = None

    def __post_init__(self) -> None:
        _credential(self.credential)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a paired node. `last` is the highest number it ever gave to an entry of `epoch`."""

    node: str
    credential: bytes
    epoch: int
    last: int
    now: Moment
    software: str
    board: str = ""
    protocol: int = VERSION

    def __post_init__(self) -> None:
        _credential(self.credential)


@dataclass(frozen=True, slots=True)
class Watched:
    """Entry `seq` of the node's log: the camera watched until `at`, and all it captured before has a lower number.

    `lens` is how clear its sight is, between 0 (covered) and 1.
    """

    seq: int
    at: Moment
    lens: float | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Entries `first` to `last` (inclusive) will never come: `count` pictures were dropped for `reason`."""

    first: int
    last: int
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to Ping, with the node's clocks when it was written."""

    ping: int
    now: Moment


@dataclass(frozen=True, slots=True)
class Health:
    """How the board is: seconds up, degrees Celsius, free bytes, and what waits in its spool.

    `dropped` counts pictures given up since pairing, by reason, and `incidents` what else an administrator should know
    of, by what it was; `problems` are sentences for him.
    """

    uptime: float
    temperature: float | None = None
    disk_free: int | None = None
    memory: int | None = None
    signal_dbm: float | None = None
    spool_entries: int = 0
    spool_bytes: int = 0
    captured: int = 0
    kept: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    throttled: bool = False
    problems: tuple[str, ...] = ()
    incidents: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Configured:
    """Configuration `version` is in force, or `problem` says why the one before stays."""

    version: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """The node made a new key (durably, before it sent this) and will use it from its next connection on."""

    credential: bytes

    def __post_init__(self) -> None:
        _credential(self.credential)


# ---- from the hub


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to Pair: who the node is from now on. Its numbering starts at 1 in the new `epoch`.

    `proof` (see `proof_of`) is there where the hub knows the node that it was.
    """

    node: str
    epoch: int
    proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The node is known, but no administrator has confirmed it: it may send snapshots, and nothing else."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The node may send entries: `credits` of them, pictures of at most `largest_picture` bytes.

    `acknowledged` is the highest number up to which the hub has everything, so that the node may forget it; `now` is
    the hub's time in microseconds since 1970; `config` is what Configure would carry. `backup` is the pin of the hub's
    next key, which the node writes down in place of the second that it knows.
    """

    now: int
    credits: int
    largest_picture: int
    acknowledged: int
    version: str
    config: Mapping[str, Any]
    backup: bytes | None = None
    protocol: int = VERSION


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The entries of these ranges (first, last: inclusive) are safe with the hub; `credits` more may be sent."""

    ranges: tuple[tuple[int, int], ...]
    credits: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Entry `seq` will never be accepted, for `reason`. The node gives it up and counts it; a credit comes back."""

    seq: int
    reason: str
    credits: int = 0


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for Pong; `ping` comes back in it. `now` is the hub's time in microseconds since 1970."""

    ping: int
    now: int


@dataclass(frozen=True, slots=True)
class Configure:
    """What the camera is to do; a `version` differs whenever `config` does. Answered by Configured."""

    version: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Asks for one picture now, answered by a Picture of kind SNAPSHOT numbered `request`; it is never kept."""

    request: int


@dataclass(frozen=True, slots=True)
class Identify:
    """The node blinks for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Rotate:
    """Asks the node for a new Credential."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The hub has the new credential; the older one ends with this connection."""


@dataclass(frozen=True, slots=True)
class Update:
    """A newer software is offered; `note` says to an administrator what and how. The node installs nothing itself."""

    version: str
    note: str = ""


FromNode: TypeAlias = Pair | Hello | Watched | Dropped | Pong | Health | Configured | Credential
FromHub: TypeAlias = (
    Accepted
    | Waiting
    | Welcome
    | Acknowledged
    | Refused
    | Ping
    | Configure
    | TakeSnapshot
    | Identify
    | Rotate
    | Rotated
    | Update
)


def _name(kind: type) -> str:
    """`TakeSnapshot` is called `take_snapshot`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


_NAMES: Final[dict[type, str]] = {kind: _name(kind) for kind in (*get_args(FromNode), *get_args(FromHub))}
_FROM_NODE: Final[dict[str, type]] = {_name(kind): kind for kind in get_args(FromNode)}
_FROM_HUB: Final[dict[str, type]] = {_name(kind): kind for kind in get_args(FromHub)}


def encode(message: FromNode | FromHub) -> str:
    """The text of a message."""
    return json.dumps({"type": _NAMES[type(message)], **dump(message)}, separators=(",", ":"), allow_nan=False)


def decode_from_node(text: str) -> FromNode | None:
    """What a node says; None for a message that a newer one may send. Raises WireError."""
    message: FromNode | None = _decode(text, _FROM_NODE)
    return message


def decode_from_hub(text: str) -> FromHub | None:
    """What a hub says; None for a message that a newer one may send. Raises WireError."""
    message: FromHub | None = _decode(text, _FROM_HUB)
    return message


def _decode(text: str, kinds: Mapping[str, type]) -> Any:
    found = parse(text)
    name = found.get("type")
    if not isinstance(name, str):
        raise WireError("a text message has a type")
    kind = kinds.get(name)
    return None if kind is None else build(kind, found, name)
