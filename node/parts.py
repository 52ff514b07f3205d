"""What the node's loop asks of its other parts: who decides what is kept, reads codes, shows how things are.

They are made by `node.gate.make_gate`, `node.codes.make_reader`, `node.leds.make_leds` and, of the module
`node.cameras.<platform>` that the settings name, `CONFIG_SCHEMA` and `open_camera`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from node.camera import Camera, Luma
from node.clock import Clock
from node.orders import Orders
from node.wire import Moment


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one look. `keep`: its picture is to be sent; `moved`: because something moved, so it is given up last.

    `sees`: somebody in the room would have been seen, so the camera may say that it watched; `lens` is how clear its
    sight is, between 0 (covered) and 1, where that is known. `dark`: it sees nobody for want of light.
    """

    keep: bool
    moved: bool = False
    sees: bool = True
    lens: float | None = None
    dark: bool = False


class Gate(Protocol):
    """Made anew for new orders; looks come in the order of their capture."""

    def judge(self, luma: Luma, at: Moment) -> Verdict: ...


class CodeReader(Protocol):
    def read(self, luma: Luma) -> Sequence[str]:
        """The texts of all QR codes in the picture. Called in a thread; raises nothing."""
        ...

    def close(self) -> None:
        """Nothing is to be read for now. Raises nothing; at once where that was so before."""
        ...


class Sign(Enum):
    """What the lights say."""

    OFF = "off"
    NO_NETWORK = "no network"
    NO_HUB = "no hub"
    WANTS_CODE = "waiting for a code"
    UNCONFIRMED = "waiting to be confirmed"
    PAIRED = "paired"
    HERE = "here I am"


class Leds(Protocol):
    def show(self, sign: Sign) -> None:
        """From now on, until the next. Raises nothing."""
        ...


class OpenCamera(Protocol):
    """`options` passed the module's CONFIG_SCHEMA. Of `orders` resolution and mask are the camera's to obey."""

    def __call__(
        self, options: Mapping[str, Any], orders: Orders, clock: Clock
    ) -> AbstractAsyncContextManager[Camera]: ...
