"""Camera `demo`: a classroom and people that do not exist, so that FRAS can be tried without camera or photographs.

The people were drawn by `studio` (nobody's likeness) and are enrolled by the hub at start; they are recognised by demo
cameras only. They follow a script: each `slot`, counted from local midnight, is one lecture in one of two rooms.
`scene` says which of the two rooms this camera watches. See docs/cameras/demo.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, Invented, PluginContext, hookimpl
from hub.plugin.validators import duration, duration_between, whole_number

PORTRAITS: Final = Path(__file__).parent / "cast" / "portraits"
REFUSED: Final = "demo-sasha"

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("scene", description="which of the two demo rooms, 1 or 2"): whole_number(1, 2),
    vol.Optional("slot", default="10 min", description="how often a lecture starts, in the rooms by turns"): (
        duration_between("10 s", "1 day")
    ),
    vol.Optional("every", default="2 s", description="between two frames while somebody moves"): duration,
}


@asynccontextmanager
async def open_demo(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    """Raises Permanent where the pictures of the cast are missing."""
    from .camera import opened

    yield await opened(config, context)


@hookimpl
def fras_plugins() -> Sequence[CameraSpec]:
    return [
        CameraSpec(
            name="demo",
            config_schema=CONFIG_SCHEMA,
            open=open_demo,
            description="a classroom with rendered people, to try FRAS without a camera",
            invented=Invented(portraits=PORTRAITS, refused=frozenset({REFUSED})),
        )
    ]
