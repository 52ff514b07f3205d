"""Camera `snapshot`: asks an IP camera for a JPEG every few seconds.

cameras:
  - {platform: snapshot, id: lab, room: "201", url: !secret lab_camera, every: 2 s}
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import voluptuous as vol

from hub.plugin import Camera, CameraEvent, CameraSpec, Config, Frame, NeedsHuman, NotReady, PluginContext, hookimpl
from hub.plugin.validators import duration, text


class SnapshotCamera:
    def __init__(self, config: Config, context: PluginContext, epoch: int) -> None:
        self._url = config["url"]
        self._every = config["every"].total_seconds()
        self._context = context
        self._epoch = epoch

    async def events(self) -> AsyncIterator[CameraEvent]:
        seq = 0
        while True:
            captured_at = self._context.clock.now()
            image = await self._snapshot()
            yield Frame(epoch=self._epoch, seq=seq, captured_at=captured_at, image=image, live=True)
            # Here the hub has the frame on its disk.
            seq += 1
            await self._context.clock.sleep(self._every)

    async def _snapshot(self) -> bytes:
        try:
            async with self._context.http.get(self._url, timeout=aiohttp.ClientTimeout(total=10)) as response:
                if response.status in (401, 403):
                    raise NeedsHuman("the camera refuses the password", hint="correct it in the `url`")
                response.raise_for_status()
                return await response.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            # Not str(error): it may quote the URL, and with it the password.
            raise NotReady(f"no picture from the camera ({type(error).__name__})", hint="is it on?") from None


@asynccontextmanager
async def open_snapshot(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    # A live camera cannot have the same image again, so the frames of each opening are numbered in an epoch of
    # their own: milliseconds since 1970.
    epoch = int(context.clock.now().timestamp() * 1000)
    yield SnapshotCamera(config, context, epoch)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="snapshot",
            config_schema={vol.Required("url"): text, vol.Optional("every", default="2 s"): duration},
            open=open_snapshot,
            description="asks an IP camera for a JPEG every few seconds",
        )
    ]
