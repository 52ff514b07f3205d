"""The default recogniser: model packs (detector, alignment, embedder) on onnxruntime, on this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import voluptuous as vol

from hub.plugin import Config, Embedder, ModelState, PluginContext, RecognizerSpec, Spec, hookimpl
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

    installed = _models_folder(config, context.data_folder, context.base_folder)
    manifest = await context.run_blocking(lambda: load(find_pack(config["pack"], installed, context.base_folder)))
    folder = await context.run_blocking(built, manifest, installed, context.progress)
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


async def probe(config: Config, context: PluginContext) -> str:
    """Whether the pack's files are there and as they were published or built; builds and loads nothing."""
    from .installed import usable

    folder = _models_folder(config, context.data_folder, context.base_folder)
    return await context.run_blocking(usable, config["pack"], folder, context.base_folder)


def models(config: Config, data_folder: Path, base_folder: Path) -> Sequence[ModelState]:
    """Every pack that is shipped, installed or configured, with the state of its files."""
    from .installed import list_packs, verify_pack

    folder = _models_folder(config, data_folder, base_folder)
    states = {state.name: state for state in list_packs(folder)}
    configured = replace(verify_pack(config["pack"], folder, base_folder), wanted=True)
    return [*(states | {configured.name: configured}).values()]


def install(pack: str, config: Config, data_folder: Path, base_folder: Path, report: Callable[[str], None]) -> None:
    """Fetches a pack's weights; raises PluginError."""
    from . import fetching

    fetching.install(pack, _models_folder(config, data_folder, base_folder), base_folder, report)


def _models_folder(config: Config, data_folder: Path, base_folder: Path) -> Path:
    if "models_folder" in config:
        return base_folder / Path(config["models_folder"]).expanduser()
    return data_folder / "models"


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
            probe=probe,
            models=models,
            install=install,
            description="Recognises faces on this machine with a model pack; the pack 'dlib' needs no download.",
        )
    ]
