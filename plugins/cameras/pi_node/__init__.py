"""Camera `pi_node`: a paired node, usually a Raspberry Pi over a door. See docs/nodes.md.

The hub owns pairing, credentials and the connection; this camera says what its node is to do, and reads what comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraEvent, CameraSpec, Config, PluginContext, hookimpl
from hub.plugin.validators import Validator, duration_between, number, share, size, whole_number


def _resolution(value: Any) -> list[int]:
    sides = value if isinstance(value, list) else []
    if len(sides) != 2 or not all(isinstance(side, int) and 64 <= side <= 4608 and side % 2 == 0 for side in sides):
        raise vol.ValueInvalid("not a resolution; write width and height, even, for example [1640, 1232]")
    return list(sides)


def _mask(value: Any) -> list[list[list[float]]]:
    polygons: list[Any] = value if isinstance(value, list) else [None]
    if len(polygons) > 32 or not all(isinstance(one, list) and 3 <= len(one) <= 64 for one in polygons):
        raise vol.ValueInvalid("not a mask; write polygons of three corners or more: [[[0, 0], [1, 0], [0, 1]]]")
    corners = [corner for polygon in polygons for corner in polygon]
    if not all(isinstance(one, list) and len(one) == 2 and all(map(_within, one)) for one in corners):
        raise vol.ValueInvalid("a corner of a mask is [x, y], each from 0 (left, top) to 1 (right, bottom)")
    return [[[float(x), float(y)] for x, y in polygon] for polygon in polygons]


def _within(side: Any) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and 0 <= side <= 1


SECOND: Final = timedelta(seconds=1)
_side: Final = {"type": "integer", "minimum": 64, "maximum": 4608, "multipleOf": 2}
_corner: Final = {
    "type": "array",
    "items": {"type": "number", "minimum": 0, "maximum": 1},
    "minItems": 2,
    "maxItems": 2,
}
_polygon: Final = {"type": "array", "items": _corner, "minItems": 3, "maxItems": 64}

MOTION: Final[Mapping[Any, Any]] = {
    vol.Optional("threshold", default=12, description="Change of a block's mean brightness that counts"): number(
        1, 255
    ),
    vol.Optional("share", default="1 %", description="Share of the picture that must change"): share,
    vol.Optional("hold", default="10 s", description="Pictures are kept for so long after movement"): duration_between(
        "0 s", "1 h"
    ),
}

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Optional("interval", default="1 s", description="Between two looks"): duration_between("100 ms", "1 h"),
    vol.Optional("resolution", default=[1640, 1232], description="Of the pictures sent"): Validator(
        _resolution, {"type": "array", "items": _side, "minItems": 2, "maxItems": 2}
    ),
    vol.Optional("quality", default=85, description="Of the JPEGs"): whole_number(20, 100),
    vol.Optional("motion", default=dict, description="When a picture is worth keeping"): MOTION,
    vol.Optional(
        "keepalive", default="60 s", description="A picture this often though nothing moves"
    ): duration_between("1 s", "1 day"),
    vol.Optional("hours", default="lectures", description="When it captures: lectures or always"): vol.In(
        ("lectures", "always")
    ),
    vol.Optional("margin", default="15 min", description="How long before and after lectures"): duration_between(
        "0 s", "12 h"
    ),
    vol.Optional("mask", default=list, description="What is blacked out, on the node"): Validator(
        _mask, {"type": "array", "items": _polygon, "maxItems": 32}
    ),
    vol.Optional("night", default="pause", description="Too dark to recognise anybody: pause or keep"): vol.In(
        ("pause", "keep")
    ),
    vol.Optional("watch", default="15 s", description="How often it says that it watches"): duration_between(
        "1 s", "1 min"
    ),
    vol.Optional("spool", default="500 MB", description="Kept on its card while the hub is away"): size,
    vol.Optional("leds", default=True, description="Whether its light shows how it is"): bool,
}


def orders(config: Config) -> dict[str, Any]:
    """The options as docs/node-protocol.md has them; `hours` and `margin` (seconds) are for the hub."""

    def told(value: Any) -> Any:
        if isinstance(value, timedelta):
            return value / SECOND
        return {key: told(item) for key, item in value.items()} if isinstance(value, Mapping) else value

    found: dict[str, Any] = told(config)
    return found


@dataclass(frozen=True, slots=True)
class NodeCamera:
    incoming: AsyncIterator[CameraEvent]

    async def events(self) -> AsyncIterator[CameraEvent]:
        async for event in self.incoming:
            yield event


@asynccontextmanager
async def open_pi_node(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    yield NodeCamera(context.incoming(orders(config)))


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="pi_node",
            config_schema=CONFIG_SCHEMA,
            open=open_pi_node,
            description="a paired node: a Raspberry Pi with a camera",
        )
    ]
