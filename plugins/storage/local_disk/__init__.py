"""Storage on the hub's own disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import voluptuous as vol

from hub.plugin import Config, NeedsHuman, PluginContext, Storage, StorageSpec, hookimpl

from .disk import Disk
from .storage import LocalDisk

CONFIG_SCHEMA = {
    vol.Optional("path", description="folder, relative to hub.yaml; by default in the data folder"): str,
}


@asynccontextmanager
async def open_storage(config: Config, context: PluginContext) -> AsyncIterator[Storage]:
    """Raises NeedsHuman when the folder cannot be written."""
    folder = _folder(config, context)
    try:
        disk = await context.run_blocking(Disk, folder)
    except OSError as error:
        raise NeedsHuman(
            f"storage {context.instance_id}: the folder {folder} cannot be written: {error.strerror}",
            hint="give the user that runs fras write access to it, or name another at storage: path:",
        ) from None
    yield LocalDisk(disk, context)


def _folder(config: Config, context: PluginContext) -> Path:
    chosen = config.get("path")
    return context.base_folder / Path(chosen).expanduser() if chosen else context.data_folder


@hookimpl
def fras_plugins() -> Sequence[StorageSpec]:
    return [
        StorageSpec(
            name="local_disk",
            config_schema=CONFIG_SCHEMA,
            open=open_storage,
            description="keeps images in a folder on the hub's own disk",
        )
    ]
