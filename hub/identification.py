"""Pictures from paths, judged and not stored: what `fras identify` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from hub.pipeline.apart import apart
from hub.pipeline.judge import LONGEST, Judge
from hub.pipeline.verdicts import JudgedFace
from hub.plugin import Picture, media

BATCH = 8


@dataclass(frozen=True, slots=True)
class Identified:
    """One image, or one frame of a video at `time`; either `error` says why there is nothing, or it is None."""

    path: Path
    time: timedelta | None = None
    error: str | None = None
    faces: tuple[JudgedFace, ...] = ()
    too_small: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    path: Path
    time: timedelta | None
    content: Picture | str
    """The picture, or why there is none."""


async def identify_paths(judge: Judge, targets: Iterable[Path]) -> AsyncIterator[Identified]:
    """Judges every image, and every frame of every video, below `targets`, in order."""
    reads = _read_all(targets)
    coming = asyncio.create_task(asyncio.to_thread(_take, reads))
    try:
        while batch := await asyncio.shield(coming):  # whoever stops this waits for the thread, below
            coming = asyncio.create_task(asyncio.to_thread(_take, reads))
            pictures = [read.content for read in batch if isinstance(read.content, Picture)]
            verdicts = iter(await apart(judge.judge, pictures))
            for read in batch:
                verdict = read.content if isinstance(read.content, str) else next(verdicts)
                if isinstance(verdict, str):
                    yield Identified(read.path, read.time, error=verdict)
                else:
                    yield Identified(read.path, read.time, faces=verdict.faces, too_small=len(verdict.too_small))
    finally:
        await asyncio.gather(coming, return_exceptions=True)
        await asyncio.to_thread(reads.close)


def _take(reads: Iterator[Read]) -> list[Read]:
    return list(islice(reads, BATCH))


def _read_all(targets: Iterable[Path]) -> Generator[Read, None, None]:
    for target in targets:
        try:
            closed: list[OSError] = []
            for path in media.walk(target, closed.append):
                yield from _read(path, asked_for=path == target)
            for problem in closed:
                yield Read(Path(problem.filename or target), None, f"cannot be listed: {problem.strerror}")
        except OSError as problem:
            yield Read(target, None, f"cannot be read: {problem.strerror or problem}")


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > media.MOST_BYTES:
        raise media.Unreadable(f"larger than {media.MOST_BYTES // 10**6} MB; save it smaller")
    return path.read_bytes()


def _read(path: Path, *, asked_for: bool) -> Iterator[Read]:
    """The pictures of one file; a file that holds none is an error only where it was asked for by name."""
    try:
        kind = media.classify(path)
        if kind is media.Kind.MOVIE:
            for time, pixels in media.movie(path):
                height, width = pixels.shape[:2]
                yield Read(path, time, Picture(pixels, width, height))
        elif kind is media.Kind.STILL:
            yield Read(path, None, media.decode(_bytes(path), longest=LONGEST))
        elif asked_for:
            yield Read(path, None, "neither an image nor a video")
    except media.Unreadable as problem:
        yield Read(path, None, str(problem))
    except OSError as problem:
        yield Read(path, None, f"cannot be read: {problem.strerror}")
