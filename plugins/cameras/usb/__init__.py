"""Camera `usb`: a camera plugged into the hub's own machine (Video4Linux). See docs/cameras/usb.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl
from hub.plugin.live.options import every, timeout
from hub.plugin.validators import Validator, duration, text, whole_number


def _size(value: Any) -> str:
    width, _, height = text(value).replace("×", "x").partition("x")
    whole_number(16, 10_000)(width)
    whole_number(16, 10_000)(height)
    return f"{int(width)}x{int(height)}"


def _device(value: Any) -> str:
    """A number is short for /dev/video<number>."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    name: str = text(value).strip()
    if name.isascii() and name.isdigit():
        return f"/dev/video{int(name)}"
    if not name.startswith("/dev/"):
        raise vol.ValueInvalid("not a device; write a number (0 is /dev/video0) or a path below /dev/v4l/by-id")
    return name


CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Optional("device", default="0"): Validator(
        _device, {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
    ),
    vol.Optional("size"): Validator(_size, {"type": "string", "pattern": r"^\d+\s*[x×]\s*\d+$"}),
    vol.Optional("rate"): whole_number(1, 240),
    vol.Optional("every", default="2 s"): every,
    vol.Optional("still_every", default="20 s"): duration,
    vol.Optional("quality", default=90): whole_number(50, 100),
    vol.Optional("timeout", default="10 s"): timeout,
}


@asynccontextmanager
async def open_usb(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Raises NotReady while it is not plugged in or busy, NeedsHuman for a device the hub may not use."""
    from .camera import opened

    async with opened(config, context) as camera:
        yield camera


async def probe_usb(config: Config, context: PluginContext) -> str:
    from .camera import probe

    return await probe(config, context)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="usb",
            config_schema=CONFIG_SCHEMA,
            open=open_usb,
            probe=probe_usb,
            rhythm="every",
            description="a USB camera at the hub's own machine (Linux)",
        )
    ]
