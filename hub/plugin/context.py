"""What the hub hands to a plugin when it opens it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar
from zoneinfo import ZoneInfo

from .clock import Clock
from .types import CameraEvent

if TYPE_CHECKING:  # half of what importing hub.plugin would cost
    import aiohttp

P = ParamSpec("P")
T = TypeVar("T")


class PluginContext(Protocol):
    """Everything a plugin may ask of the hub.

    `instance_id` is the configured id; `data_folder` is the plugin's own and exists; `base_folder` is where
    relative paths of hub.yaml start; `time_zone` is the school's.
    """

    @property
    def instance_id(self) -> str: ...
    @property
    def logger(self) -> logging.Logger: ...
    @property
    def data_folder(self) -> Path: ...
    @property
    def base_folder(self) -> Path: ...
    @property
    def time_zone(self) -> ZoneInfo: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def http(self) -> aiohttp.ClientSession: ...

    async def run_blocking(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `call` in a thread of this plugin's own bounded pool."""
        ...

    def progress(self, message: str) -> None:
        """Tells a waiting person what a slow set-up is doing ("building pack dlib: 3 of 5")."""
        ...

    def incoming(self, orders: Mapping[str, Any] | None = None) -> AsyncIterator[CameraEvent]:
        """What is sent to this camera over the network, from now on; call it once, while opening.

        Asking for the next tells the sender of the last that the hub has acknowledged it: yield each before. `orders`
        make it the camera of a node: what that is told to do, by the keys of docs/node-protocol.md.
        """
        ...

    async def acknowledged(self, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        """Which of this camera's frames the hub holds already, so that they need not be read or sent again."""
        ...
