"""Camera `rtsp`: an IP camera's own video stream. See docs/cameras/rtsp.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl

from .options import CONFIG_SCHEMA, destination


@asynccontextmanager
async def open_rtsp(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Connected. Raises NotReady while the camera cannot be reached, NeedsHuman for a wrong login or path."""
    from .camera import opened

    async with opened(config, context) as camera:
        yield camera


def check(config: Config) -> None:
    destination(config)


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
            check=check,
            probe=probe_rtsp,
            rhythm="every",
            description="the video stream of an IP camera (RTSP over TCP: H.264, H.265, MJPEG)",
        )
    ]
