"""Which files are images or videos, and every one below a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

STILL_SUFFIXES: Final = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"],
)
MOVIE_SUFFIXES: Final = frozenset([".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".3gp"])

_STILL_BRANDS: Final = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_STILL_STARTS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
_NOT_OURS: Final = frozenset({"@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "lost+found"})
"""Folders in which NAS boxes and archivers keep thumbnails and rubbish."""


class Kind(StrEnum):
    """What a file holds, as far as frames go."""

    STILL = "still"
    MOVIE = "movie"
    OTHER = "other"


def classify(path: Path) -> Kind:
    """What `path` holds: by its first bytes, else by its suffix (a damaged .jpg is a still that cannot be decoded).

    An animated GIF is a movie, a GIF of one frame a still. Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"GIF8"):
        return Kind.MOVIE if _animated(path) else Kind.STILL
    if head.startswith(_STILL_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Kind.STILL
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Kind.STILL
    if head[4:8] == b"ftyp":
        return Kind.STILL if head[8:12] in _STILL_BRANDS else Kind.MOVIE
    if head.startswith(b"\x1a\x45\xdf\xa3") or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return Kind.MOVIE
    suffix = path.suffix.lower()
    if suffix in STILL_SUFFIXES:
        return Kind.STILL
    return Kind.MOVIE if suffix in MOVIE_SUFFIXES else Kind.OTHER


def walk(path: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """`path` itself if it is a file, else every regular file below, in natural order (img2 before img10).

    A folder's files come before its subfolders'. Hidden files and folders are left out; symbolic links are
    followed, but never into a folder that encloses them. Holds the names of one folder a level, not of the tree.
    Raises OSError when `path` cannot be listed; a subfolder that cannot be is handed to `on_error` and left out.
    """
    if path.is_dir():
        yield from _below(path, frozenset(), on_error)
    elif path.is_file():
        yield path
    else:
        path.stat()
        raise OSError(f"{path} is neither a file nor a folder")


def natural_key(name: str) -> tuple[str, str]:
    """Sorts numbers in names by value and ignores case; the name itself decides between equals."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.casefold()), name


def _below(
    folder: Path, above: frozenset[tuple[int, int]], on_error: Callable[[OSError], None] | None
) -> Iterator[Path]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NOT_OURS:
                continue
            with suppress(OSError):  # a link to itself
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    files.sort(key=natural_key)
    for name in files:
        yield folder / name
    del files
    for name in sorted(folders, key=natural_key):
        try:
            yield from _below(folder / name, above | {identity}, on_error)
        except OSError as problem:
            if on_error is not None:
                on_error(problem)


def _animated(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path, formats=("GIF",)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # whatever is wrong with it, decode() says so
        return False
