"""The default recogniser: model packs (detector, alignment, embedder) on onnxruntime, on this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import voluptuous as vol

from hub.plugin import Config, Embedder, PluginContext, RecognizerSpec, Spec, hookimpl
from hub.plugin.validators import number, text, whole_number

CONFIG_SCHEMA = {
    vol.Optional("pack", default="dlib", description="a model pack's name, or the path of its folder"): text,
    vol.Optional("min_face", default=40, description="smallest face to recognise, in pixels of the image"): (
        whole_number(16, 1000)
    ),
    vol.Optional("threads", description="threads for inference; default: one for each usable core"): whole_number(
        1, 256
    ),
    vol.Optional("megapixels", default=8.3, description="larger images (after scaling) are shrunk to this"): (
        number(0.3, 50)
    ),
    vol.Optional("models_folder", description="where packs are installed and built; default: in the data folder"): text,
}


@asynccontextmanager
async def open_recogniser(config: Config, context: PluginContext) -> AsyncIterator[Embedder]:
    """An `Embedder` on the configured pack, which is built first when it is not yet, or damaged.

    Raises NeedsHuman (no such pack, not installed, nothing can be written) and Permanent (a wrong manifest).
    """
    from .engine import Engine
    from .installed import built, find_pack
    from .manifest import load
    from .pack import assemble, model
    from .vision import Scaling

    models = _models_folder(config, context)
    manifest = await context.run_blocking(lambda: load(find_pack(config["pack"], models, context.base_folder)))
    folder = await context.run_blocking(built, manifest, models, context.progress)
    vision = await context.run_blocking(
        assemble,
        manifest,
        folder,
        threads=config.get("threads", usable_cores()),
        scaling=Scaling(min_face=config["min_face"], largest=round(config["megapixels"] * 1e6)),
    )
    engine = Engine(model(manifest, config["min_face"]), vision, context.logger)
    try:
        yield engine
    finally:
        await engine.close()


def _models_folder(config: Config, context: PluginContext) -> Path:
    if "models_folder" in config:
        return context.base_folder / Path(config["models_folder"]).expanduser()
    return context.data_folder / "models"


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


@hookimpl
def fras_plugins() -> Sequence[Spec]:
    return [
        RecognizerSpec(
            name="onnx_local",
            config_schema=CONFIG_SCHEMA,
            open=open_recogniser,
            description="Recognises faces on this machine with a model pack; the pack 'dlib' needs no download.",
        )
    ]
