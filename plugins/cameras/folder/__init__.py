"""Camera `folder`: the images, videos and animated GIFs of a folder (or one such file) as frames.

`mode` says what happens at the end: `watch` (default) waits for new files, `once` stops, `loop` starts again and
pretends to be a live camera. Images are all taken; of a video one frame each `every`. Frames are handed on as
fast as the hub takes them, or one each `every` with `paced: true` (the default of `loop`). In `watch` and `once`
a frame's time is that of its capture, and a restart hands nothing on twice. See docs/cameras/folder.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, PluginContext, hookimpl
from hub.plugin.validators import duration, text

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("path"): text,
    vol.Optional("mode", default="watch"): vol.In(("watch", "once", "loop")),
    vol.Optional("every", default="1 s"): duration,
    vol.Optional("paced"): bool,
}


@asynccontextmanager
async def open_folder(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Raises NeedsHuman where `path` is missing or closed to the hub, but NotReady for a missing one to watch."""
    from .camera import opened

    yield await opened(config, context)


async def probe_folder(config: Config, context: PluginContext) -> str:
    from .camera import probe

    return await probe(config, context)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="folder",
            config_schema=CONFIG_SCHEMA,
            open=open_folder,
            probe=probe_folder,
            description="images and videos of a folder: once, in a loop, or as they arrive",
        )
    ]
