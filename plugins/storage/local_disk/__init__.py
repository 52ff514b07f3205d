"""Storage on the hub's own disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import voluptuous as vol

from hub.plugin import Config, NeedsHuman, PluginContext, Storage, StorageSpec, hookimpl
from hub.plugin.folders import free_in
from hub.plugin.validators import text

from .disk import Disk
from .storage import LocalDisk

CONFIG_SCHEMA = {
    vol.Optional("path", description="folder, relative to hub.yaml; by default in the data folder"): text,
}


@asynccontextmanager
async def open_storage(config: Config, context: PluginContext) -> AsyncIterator[Storage]:
    """Raises NeedsHuman when the folder cannot be written."""
    folder = _folder(config, context)
    try:
        disk = await context.run_blocking(Disk, folder)
    except OSError as error:
        raise _unwritable(context, folder, error) from None
    yield LocalDisk(disk, context)


async def probe(config: Config, context: PluginContext) -> str:
    """Whether the folder can be written; leaves nothing there."""
    if not config.get("path"):
        return "in the data folder"
    folder = _folder(config, context)
    try:
        free = await context.run_blocking(free_in, folder)
    except OSError as error:
        raise _unwritable(context, folder, error) from None
    return f"{folder}: {free / 1e9:.1f} GB free" + ("" if folder.is_dir() else "; it is made at the first start")


def _unwritable(context: PluginContext, folder: Path, error: OSError) -> NeedsHuman:
    return NeedsHuman(
        f"storage {context.instance_id}: the folder {folder} cannot be written: {error.strerror}",
        hint="give the user that runs fras write access to it, or name another at storage: path:",
    )


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
            probe=probe,
            description="keeps images in a folder on the hub's own disk",
        )
    ]
