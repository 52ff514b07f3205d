"""Portraits on their way into enrolment: out of files, or out of what was kept of earlier ones."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hub.plugin import NotFound, Picture, Storage
from hub.plugin.media import MOST_BYTES, Unreadable, decode
from hub.portraits import Pupil

LONGEST = 1600
"""Pixels on the longer side that a portrait needs: a phone's JPEG is decoded at a half, in a quarter of the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A portrait on its way: `content` is the picture, or why there is none, or None when it serves already."""

    pupil: Pupil
    path: Path
    sha256: str
    content: Picture | str | None


Reader: TypeAlias = Callable[[Sequence[tuple[Pupil, Path]], Mapping[str, str]], Awaitable[list[Read]]]
"""Reads portraits; those that serve their owner already, by SHA-256, need not be."""


async def read_files(portraits: Sequence[tuple[Pupil, Path]], owners: Mapping[str, str]) -> list[Read]:
    return await asyncio.to_thread(_read_all, portraits, owners)


def _read_all(portraits: Sequence[tuple[Pupil, Path]], owners: Mapping[str, str]) -> list[Read]:
    return [_read(pupil, path, owners) for pupil, path in portraits]


def _read(pupil: Pupil, path: Path, owners: Mapping[str, str]) -> Read:
    try:
        if path.stat().st_size > MOST_BYTES:
            return Read(pupil, path, "", f"larger than {MOST_BYTES // 10**6} MB; save it smaller")
        data = path.read_bytes()
    except OSError as error:
        return Read(pupil, path, "", f"it cannot be read: {error.strerror}")
    sha256 = hashlib.sha256(data).hexdigest()
    if owners.get(sha256) == pupil.id:
        return Read(pupil, path, sha256, None)
    try:
        return Read(pupil, path, sha256, decode(data, longest=LONGEST))
    except Unreadable as problem:
        return Read(pupil, path, sha256, str(problem))


def from_storage(storage: Storage, keys: Mapping[str, Mapping[str, str]]) -> Reader:
    """Reads kept pictures; `keys` are theirs by person and by the SHA-256 that is the portrait's name."""

    async def fetch(pupil: Pupil, sha256: str) -> Read:
        place = Path(sha256)
        try:
            data = await storage.get(keys[pupil.id][sha256])
            return Read(pupil, place, sha256, await asyncio.to_thread(decode, data, longest=LONGEST))
        except NotFound:
            return Read(pupil, place, sha256, "the kept picture is not there any more")
        except Unreadable as problem:
            return Read(pupil, place, sha256, str(problem))

    async def read(portraits: Sequence[tuple[Pupil, Path]], owners: Mapping[str, str]) -> list[Read]:
        return [await fetch(pupil, path.name) for pupil, path in portraits]

    return read
