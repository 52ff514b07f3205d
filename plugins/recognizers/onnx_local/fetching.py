"""Fetching a pack's weights from whoever publishes them; what arrives counts only with the hash the manifest has."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hub.plugin import NeedsHuman, NotReady

from .installed import find_pack
from .manifest import MANIFEST, load

PATIENCE: Final = 30.0
"""Seconds without a byte until the publisher counts as away."""
BLOCK: Final = 1 << 20
LARGEST: Final = 1 << 30
"""Bytes of a file, at most."""


def install(pack: str, models_folder: Path, base_folder: Path, report: Callable[[str], None]) -> None:
    """Puts the pack's manifest and weights into the models folder; files that are there already are left alone.

    Raises NeedsHuman (no such pack, one that cannot be fetched, another file than the manifest's, nothing can be
    written) and NotReady (the publisher does not answer).
    """
    manifest = load(find_pack(pack, models_folder, base_folder))
    if manifest.converter:
        raise NeedsHuman(f"model pack {manifest.name} needs no installing", hint="it is built on first use")
    if unpublished := sorted(manifest.weights.keys() - manifest.downloads.keys()):
        raise NeedsHuman(
            f"model pack {manifest.name} does not say where {', '.join(unpublished)} can be fetched",
            hint=f"put the files beside its {MANIFEST}",
        )
    folder = models_folder / manifest.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in manifest.weights.items():
            file = folder / name
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
                report(f"model pack {manifest.name}: fetching {name}")
                _fetch(manifest.downloads[name], file, sha256)
        if manifest.folder != folder:
            shutil.copyfile(manifest.folder / MANIFEST, folder / MANIFEST)
    except OSError as error:
        raise NeedsHuman(
            f"model pack {manifest.name} cannot be kept in {folder}: {error.strerror or error}",
            hint="make the folder writable and see that its disk has room",
        ) from error


def _fetch(url: str, file: Path, sha256: str) -> None:
    part = file.with_name(f".{file.name}.part")
    found = hashlib.sha256()
    try:
        with part.open("wb") as written:
            for block in _blocks(url, file):
                found.update(block)
                written.write(block)
            written.flush()
            os.fsync(written.fileno())
        if found.hexdigest() != sha256:
            raise NeedsHuman(
                f"{url} gave another file than the pack's {file.name}: its sha256 is {found.hexdigest()}",
                hint=f"put the one with the sha256 {sha256} at {file}, and try again",
            )
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _blocks(url: str, file: Path) -> Iterator[bytes]:
    left = LARGEST
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 the manifest allows http(s) only
            while left > 0 and (block := answer.read(min(BLOCK, left))):
                left -= len(block)
                yield block
    except (OSError, http.client.HTTPException) as error:
        raise NotReady(
            f"{url} cannot be fetched: {getattr(error, 'reason', '') or error}",
            hint=f"try again later, or after putting the file at {file} yourself",
        ) from error
