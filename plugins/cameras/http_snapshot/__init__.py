"""Camera `http_snapshot`: the picture at an address, fetched again and again. See docs/cameras/http_snapshot.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl
from hub.plugin.live import address
from hub.plugin.validators import Validator, duration, size, text


def _fingerprint(value: Any) -> bytes:
    """As browsers and openssl show it, with or without colons."""
    digits = text(value).replace(":", "").replace(" ", "")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise vol.ValueInvalid("not a SHA-256 fingerprint; write the 64 hexadecimal digits of the camera's certificate")
    return found


CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("url"): address("http", "https"),
    vol.Optional("user"): text,
    vol.Optional("password"): text,
    vol.Optional("pin"): Validator(_fingerprint, {"type": "string", "pattern": "^([0-9A-Fa-f]{2}[: ]?){32}$"}),
    vol.Optional("verify", default=True): bool,
    vol.Optional("every", default="2 s"): duration,
    vol.Optional("still_every", default="20 s"): duration,
    vol.Optional("timeout", default="10 s"): duration,
    vol.Optional("largest", default="20 MB"): size,
}


@asynccontextmanager
async def open_http_snapshot(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Raises NotReady while there is no picture, NeedsHuman for a wrong login, path or certificate."""
    from .camera import opened

    yield await opened(config, context)


async def probe_http_snapshot(config: Config, context: PluginContext) -> str:
    from .camera import probe

    return await probe(config, context)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="http_snapshot",
            config_schema=CONFIG_SCHEMA,
            open=open_http_snapshot,
            probe=probe_http_snapshot,
            description="the picture at an address (ONVIF snapshot URL, any JPEG by HTTP)",
        )
    ]
