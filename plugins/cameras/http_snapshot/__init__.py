"""Camera `http_snapshot`: the picture at an address, fetched again and again. See docs/cameras/http_snapshot.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl

from .options import CONFIG_SCHEMA, destination


@asynccontextmanager
async def open_http_snapshot(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Raises NotReady while there is no picture, NeedsHuman for a wrong login, path or certificate."""
    from .camera import opened

    yield await opened(config, context)


def check(config: Config) -> None:
    destination(config)


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
            check=check,
            probe=probe_http_snapshot,
            rhythm="every",
            description="the picture at an address (ONVIF snapshot URL, any JPEG by HTTP)",
        )
    ]
