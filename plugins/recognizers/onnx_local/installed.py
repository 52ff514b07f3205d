"""Finding model packs, and building each once into a verified folder of files that are ready to run.

Under the models folder, `<pack>/pack.yaml` and its weights are an installed pack, and `<pack>/<fingerprint>/` is
what was built of it, with `built.json` recording the sha256 of every built file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hub.plugin import ModelState, NeedsHuman, Permanent, PluginError
from hub.plugin.folders import free_in

from . import manifest as manifests
from .manifest import MANIFEST, Manifest

SHIPPED: Final = Path(__file__).parent / "packs"
RECIPE: Final = 1
"""Raised when the same weights are to be built differently; embeddings stay comparable."""

_RECORD: Final = "built.json"
Report = Callable[[str], None]


def list_packs(models_folder: Path) -> list[ModelState]:
    """Every shipped and installed pack, by name. Never raises for a pack."""
    folders = {path.parent.name: path.parent for path in sorted(SHIPPED.glob(f"*/{MANIFEST}"))}
    folders |= {path.parent.name: path.parent for path in sorted(models_folder.glob(f"*/{MANIFEST}"))}
    return [_state(name, folder, models_folder) for name, folder in sorted(folders.items())]


def verify_pack(pack: str, models_folder: Path, base_folder: Path = Path()) -> ModelState:
    """The state of one pack, by name or folder, after hashing each of its files.

    Raises NeedsHuman when there is no such pack.
    """
    folder = find_pack(pack, models_folder, base_folder)
    return _state(folder.name, folder, models_folder)


def usable(pack: str, models_folder: Path, base_folder: Path) -> str:
    """In words, how a pack stands that `built` would give; raises NeedsHuman or Permanent where it would."""
    manifest = manifests.load(find_pack(pack, models_folder, base_folder))
    target = models_folder / manifest.name / manifest.fingerprint
    try:
        _verify(target)
        return f"model pack {manifest.name}: its files are as they were built"
    except _DamagedError as damage:
        fact = f"{damage}, so it is built again" if target.exists() else "it is built at the first start"
    if manifest.converter == "dlib":
        from .dlib.build import SOURCES, source

        for name in SOURCES:
            source(name)
    else:
        for name in manifest.weights:
            weights(manifest, name)
    try:
        free_in(target.parent)
    except OSError as error:
        raise _unbuildable(manifest, target.parent, error) from None
    return f"model pack {manifest.name}: its weights are the published ones; {fact}"


def find_pack(pack: str, models_folder: Path, base_folder: Path = Path()) -> Path:
    """The folder of the pack with this name, or at this path (relative to `base_folder`); raises NeedsHuman."""
    if "/" in pack or pack.startswith((".", "~")):
        folder = base_folder / Path(pack).expanduser()
        if not (folder / MANIFEST).is_file():
            raise NeedsHuman(f"{folder} is no model pack: it has no {MANIFEST}", hint="correct recognizer->pack")
        return folder
    for folder in (models_folder / pack, SHIPPED / pack):
        if (folder / MANIFEST).is_file():
            return folder
    known = ", ".join(state.name for state in list_packs(models_folder))
    raise NeedsHuman(f"there is no model pack {pack!r}", hint=f"set recognizer->pack to one of {known}, or to a folder")


def built(manifest: Manifest, models_folder: Path, report: Report) -> Path:
    """The folder of the pack's files, ready to run: verified, and built first where missing or damaged.

    Takes seconds to a minute when it builds. Raises NeedsHuman when weights are missing or not the published ones, or
    nothing can be written.
    """
    target = models_folder / manifest.name / manifest.fingerprint
    try:
        _verify(target)
        return target
    except _DamagedError as damage:
        fact = str(damage)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_builder(target.parent):
            with contextlib.suppress(_DamagedError):
                _verify(target)
                return target  # another process has built it meanwhile
            again = f"{fact}; building it again" if target.exists() else "building it, once"
            report(f"model pack {manifest.name}: {again}")
            _build(manifest, target, report)
            _verify(target)
            return target
    except _DamagedError as damage:
        raise NeedsHuman(
            f"model pack {manifest.name}: {target.parent} does not keep what is written there ({damage})",
            hint="check the disk",
        ) from damage
    except OSError as error:
        raise _unbuildable(manifest, target.parent, error) from error


def _unbuildable(manifest: Manifest, folder: Path, error: OSError) -> NeedsHuman:
    return NeedsHuman(
        f"model pack {manifest.name} cannot be built in {folder}: {error.strerror or error}",
        hint="make the folder writable and see that its disk has room",
    )


class _DamagedError(Exception):
    """What is wrong with a built pack."""


def _verify(target: Path) -> None:
    """Raises _DamagedError unless every file of a built pack has its recorded hash."""
    try:
        record = json.loads((target / _RECORD).read_text(encoding="utf-8"))
        recipe, hashes = record["recipe"], dict(record["files"])
    except FileNotFoundError:
        raise _DamagedError("it is not complete") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _DamagedError(f"{_RECORD} cannot be read") from error
    if recipe != RECIPE:
        raise _DamagedError("it was built by another version of FRAS")
    for name, sha256 in hashes.items():
        try:
            data = (target / name).read_bytes()
        except OSError as error:
            raise _DamagedError(f"the built file {name} cannot be read") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _DamagedError(f"the built file {name} is damaged")


@contextlib.contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Waits for other processes that build in `folder`, then clears away what a killed one left."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for rest in folder.glob(".building-*"):
            shutil.rmtree(rest, ignore_errors=True)
        yield


def _build(manifest: Manifest, target: Path, report: Report) -> None:
    """Builds beside `target` and renames, so that a killed build leaves nothing that looks finished."""
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        if manifest.converter == "dlib":
            from .dlib.build import build

            build(work, report)
        else:
            _copy_weights(manifest, work)
        _optimise(work)
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(work.iterdir())}
        record = {"pack": manifest.name, "recipe": RECIPE, "sources": manifest.weights, "files": hashes}
        (work / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        for path in (*work.iterdir(), work):
            _flush(path)
        if target.exists():
            target.rename(Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent)) / "damaged")
        work.rename(target)
        _flush(target.parent)
    finally:
        for rest in target.parent.glob(".building-*"):
            shutil.rmtree(rest, ignore_errors=True)


def _copy_weights(manifest: Manifest, work: Path) -> None:
    for name in manifest.weights:
        (work / name).write_bytes(weights(manifest, name))


def weights(manifest: Manifest, name: str) -> bytes:
    """One of the pack's files of weights. Raises NeedsHuman for a missing one, and for one that is not as published."""
    missing = [name for name in manifest.weights if not (manifest.folder / name).is_file()]
    if missing:
        shipped = manifest.folder.parent == SHIPPED
        advice = f"run `fras models install {manifest.name}`" if shipped else f"put them into {manifest.folder}"
        raise NeedsHuman(f"model pack {manifest.name} is not installed: {', '.join(missing)} missing", hint=advice)
    data = (manifest.folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest.weights[name]:
        raise NeedsHuman(
            f"model pack {manifest.name}: {name} is not the published file (its sha256 differs from {MANIFEST})",
            hint="fetch the file again",
        )
    return data


def _optimise(work: Path) -> None:
    """Rewrites what onnxruntime runs slowly. Its own optimisations depend on the machine: they are done at open."""
    import onnx

    from .prelu import rewrite

    for path in sorted(work.glob("*.onnx")):
        try:
            model = onnx.load_from_string(path.read_bytes())
        except Exception as error:
            raise Permanent(f"{path.name} is no ONNX model", hint="correct the pack") from error
        if rewrite(model):
            path.write_bytes(model.SerializeToString())


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _state(name: str, folder: Path, models_folder: Path) -> ModelState:
    try:
        manifest = manifests.load(folder)
    except PluginError as error:
        return ModelState(name, "wrong", str(error))
    state, problem = "ready", ""
    target = models_folder / manifest.name / manifest.fingerprint
    try:
        _verify(target)
    except _DamagedError as damage:
        missing = [] if manifest.converter else [file for file in manifest.weights if not (folder / file).is_file()]
        if missing:
            state = "not installed"
            problem = f"{', '.join(missing)} missing; run `fras models install {manifest.name}`"
        elif target.exists():
            state, problem = "damaged", f"{damage}; it will be built again on next use"
        else:
            state, problem = "not built", "it will be built on first use"
    return ModelState(manifest.name, state, problem, model_id(manifest), manifest.licence, manifest.source)


def model_id(manifest: Manifest) -> str:
    """The id that embeddings of this pack carry."""
    return f"{manifest.name}-{manifest.fingerprint}"
