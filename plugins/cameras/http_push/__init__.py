"""Camera `http_push`: anything that can send a JPEG by HTTP to `/api/v1/cameras/<id>/frames`. See docs/api.md.

The hub owns the route, numbers the frames and keeps what it has answered for; this camera only reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from hub.plugin import Camera, CameraEvent, CameraSpec, Config, PluginContext, hookimpl

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {}


@dataclass(frozen=True, slots=True)
class PushedCamera:
    incoming: AsyncIterator[CameraEvent]

    async def events(self) -> AsyncIterator[CameraEvent]:
        async for event in self.incoming:
            yield event


@asynccontextmanager
async def open_http_push(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    yield PushedCamera(context.incoming())


async def probe_http_push(config: Config, context: PluginContext) -> str:
    return f"waits for pictures at /api/v1/cameras/{context.instance_id}/frames of a running hub; docs/api.md"


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="http_push",
            config_schema=CONFIG_SCHEMA,
            open=open_http_push,
            probe=probe_http_push,
            description="JPEG images that anything sends by HTTP",
        )
    ]
