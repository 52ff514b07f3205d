"""Camera `rtsp`: an IP camera's own video stream. See docs/cameras/rtsp.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl
from hub.plugin.live import address
from hub.plugin.validators import duration, text, whole_number

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("url"): address("rtsp", "rtsps"),
    vol.Optional("user"): text,
    vol.Optional("password"): text,
    vol.Optional("verify", default=True): bool,
    vol.Optional("ca"): text,
    vol.Optional("every", default="2 s"): duration,
    vol.Optional("still_every", default="20 s"): duration,
    vol.Optional("quality", default=90): whole_number(50, 100),
    vol.Optional("timeout", default="10 s"): duration,
}


@asynccontextmanager
async def open_rtsp(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Connected. Raises NotReady while the camera cannot be reached, NeedsHuman for a wrong login or path."""
    from .camera import opened

    async with opened(config, context) as camera:
        yield camera


async def probe_rtsp(config: Config, context: PluginContext) -> str:
    from .camera import probe

    return await probe(config, context)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="rtsp",
            config_schema=CONFIG_SCHEMA,
            open=open_rtsp,
            probe=probe_rtsp,
            description="the video stream of an IP camera (RTSP over TCP: H.264, H.265, MJPEG)",
        )
    ]
