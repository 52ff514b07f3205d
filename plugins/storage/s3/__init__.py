"""Storage in a bucket of Amazon S3, or of a server that speaks its language (docs/storage-s3.md)."""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hub.plugin import Config, PluginContext, Storage, StorageSpec, hookimpl

from .options import SCHEMA, go_together
from .target import stranded


@asynccontextmanager
async def open_storage(config: Config, context: PluginContext) -> AsyncIterator[Storage]:
    """Says nothing to the server: a hub whose bucket is away starts and keeps what is put. Raises NeedsHuman."""
    opening = await _library(context)
    async with opening.opened(config, context) as storage:
        yield storage


async def probe(config: Config, context: PluginContext) -> str:
    """What `fras check --connect` says of the bucket; nothing there changes."""
    await _library(context)
    probing: Any = importlib.import_module(f"{__name__}.probing")
    told: str = await probing.probe(config, context)
    return told


async def _library(context: PluginContext) -> Any:
    """boto3 takes a second to import. Its debug lines hold signatures, tokens and keys of pictures."""
    opening = await context.run_blocking(importlib.import_module, f"{__name__}.opening")
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return opening


@hookimpl
def fras_plugins() -> Sequence[StorageSpec]:
    return [
        StorageSpec(
            name="s3",
            config_schema=SCHEMA,
            open=open_storage,
            check=go_together,
            probe=probe,
            stranded=stranded,
            description="keeps images in a bucket of Amazon S3 or a server like it; they wait here while it is away",
        )
    ]
