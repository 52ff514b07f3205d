"""Model packs for benches: built once beside the results, and put together as the hub does."""

from __future__ import annotations

import shutil
from pathlib import Path

from plugins.recognizers.onnx_local import usable_cores
from plugins.recognizers.onnx_local.installed import built, find_pack
from plugins.recognizers.onnx_local.manifest import MANIFEST, Manifest, load
from plugins.recognizers.onnx_local.pack import assemble
from plugins.recognizers.onnx_local.vision import Scaling, Vision

from .measure import RESULTS, say, shared

MODELS = RESULTS.parent / "models"
"""The models folder of every bench."""

LARGEST = 8_300_000
"""Pixels searched at most: the plugin's default."""

NOT_SHIPPED = Path(__file__).parents[1] / "tests/plugins/recognizers/onnx_local/yunet_reid" / MANIFEST
"""YuNet and face-reidentification-retail-0095, whose weights are in ../shared."""


def ready(pack: str) -> tuple[Manifest, Path]:
    """A pack and the folder of what was built of it. `yunet_reid` raises Skipped without ../shared."""
    if pack == NOT_SHIPPED.parent.name:
        _install(MODELS / pack)
    manifest = load(find_pack(pack, MODELS))
    return manifest, built(manifest, MODELS, say)


def vision(pack: str, min_face: int) -> Vision:
    """A pack at work on every core this process may use."""
    manifest, folder = ready(pack)
    return assemble(manifest, folder, threads=usable_cores(), scaling=Scaling(min_face=min_face, largest=LARGEST))


def _install(folder: Path) -> None:
    manifest = load(NOT_SHIPPED.parent)
    weights = {shared(f"models/{name}"): folder / name for name in manifest.weights}
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(NOT_SHIPPED, folder / MANIFEST)
    for source, target in weights.items():
        if not target.exists():
            shutil.copyfile(source, target)
