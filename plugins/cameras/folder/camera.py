"""The camera itself: passes over the folder, in the order and at the pace that were asked for."""

from __future__ import annotations

import stat
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from hub.plugin import CameraEvent, Config, Frame, Heartbeat, NeedsHuman, NotReady, PluginContext, PluginError
from hub.plugin.media import Kind, Unreadable, classify
from hub.plugin.media.files import MOVIE_SUFFIXES, STILL_SUFFIXES

from .finished import Finished
from .found import Found, find
from .reading import EPOCH, frames, still

BATCH: Final = 256
"""Files for which the ledger is asked at once."""

LOOKED: Final = 200
"""Files that a probe looks at."""

POLL: Final = 2.0
"""Seconds between two looks at a watched folder, as long as a look takes less than a tenth of that."""

SLOWEST_POLL: Final = 60.0

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

SETTLED: Final = 2.0
SETTLED_MOVIE: Final = 30.0
"""Seconds a file must not have changed: recorders write a video in bursts."""


async def opened(config: Config, context: PluginContext) -> FolderCamera:
    root = await context.run_blocking(_checked, context.base_folder, config["path"], config["mode"])
    finished = Finished(context.data_folder / "finished")
    await context.run_blocking(finished.load)
    return FolderCamera(config, root, finished, context)


async def probe(config: Config, context: PluginContext) -> str:
    """What is there, of the first files."""
    root = await context.run_blocking(_checked, context.base_folder, config["path"], config["mode"])
    looked, found = await context.run_blocking(_count, root)
    if looked > LOOKED and found:
        return f"{root}: more than {found} pictures and videos"
    if found:
        return f"{root}: {found} picture{'s and videos' if found > 1 else ' or video'}"
    if looked or config["mode"] != "watch":
        files = f"the first {LOOKED} files" if looked > LOOKED else f"{looked} file{'s' if looked > 1 else ''}"
        among = f" among {files}" if looked else ""
        raise NeedsHuman(f"{root} holds no picture and no video{among}", hint="put some there, or correct `path`")
    return f"{root}: readable, and nothing in it yet"


def _count(root: Path) -> tuple[int, int]:
    """How many files there are, if not more than `LOOKED`; and how many of them are pictures or videos."""
    looked = found = 0
    for file in islice(find(root, lambda error: None), LOOKED + 1):
        looked += 1
        with suppress(OSError):
            found += looked <= LOOKED and classify(file.path) is not Kind.OTHER
    return looked, found


def _checked(base: Path, path: str, mode: str) -> Path:
    root = base / path
    with suppress(RuntimeError):  # "~" where nobody has a home
        root = base / Path(path).expanduser()
    try:
        if root.is_dir():
            next(root.iterdir(), None)
        elif stat.S_ISREG(root.stat().st_mode):
            root.open("rb").close()
        else:
            raise NeedsHuman(f"{root} is neither a folder nor a file", hint="correct `path`")
    except FileNotFoundError:
        missing: type[PluginError] = NotReady if mode == "watch" else NeedsHuman
        raise missing(f"{root} is not there", hint="create it, connect its drive, or correct `path`") from None
    except OSError as problem:
        raise NeedsHuman(
            f"{root} cannot be read: {problem.strerror}", hint="give the hub's user the right to read it"
        ) from None
    return root


class FolderCamera:
    def __init__(self, config: Config, root: Path, finished: Finished, context: PluginContext) -> None:
        self._mode: str = config["mode"]
        self._every: timedelta = config["every"]
        self._paced: bool = config.get("paced", self._mode == "loop")
        self._root = root
        self._finished = finished
        self._context = context
        self._clock = context.clock
        self._seen: set[int] = set()
        """Keys of files that need no second look."""
        self._waiting: dict[int, float] = {}
        """Keys of files that may still be written, with the monotonic time they were first seen."""
        self._reported: set[int] = set()
        self._latest = _NEVER
        """Capture time of the latest frame so far."""
        self._watched_until = _NEVER
        self._last_handed_on = -float("inf")
        self._listing_took = 0.0

    async def events(self) -> AsyncGenerator[CameraEvent, None]:
        modes = {"once": self._pass, "loop": self._loop, "watch": self._watch}
        async with aclosing(modes[self._mode]()) as events:
            async for event in events:
                yield event

    async def _watch(self) -> AsyncGenerator[CameraEvent, None]:
        while True:
            async with aclosing(self._pass()) as events:
                async for event in events:
                    yield event
            await self._clock.sleep(min(max(POLL, 10 * self._listing_took), SLOWEST_POLL))

    async def _loop(self) -> AsyncGenerator[CameraEvent, None]:
        """As a live camera would: numbered from the start of this run, captured now."""
        epoch = int(self._clock.now().timestamp() * 1000)
        seq = 0
        while True:
            before = seq
            self._seen.clear()
            async with aclosing(self._pass()) as events:
                async for event in events:
                    if isinstance(event, Frame):
                        seq += 1
                        yield replace(event, epoch=epoch, seq=seq, captured_at=self._clock.now(), live=True)
            if seq == before:
                await self._clock.sleep(POLL)

    async def _pass(self) -> AsyncGenerator[CameraEvent, None]:
        """Every new frame of the folder; then a heartbeat at the latest, but not beyond images still being written."""
        present: set[int] = set()
        coming: list[datetime] = []
        listing = find(self._root, self._report_folder)
        self._listing_took = 0.0
        while batch := await self._next(listing):
            present.update(found.key for found in batch)
            new = [found for found in batch if found.key not in self._seen and self._settled(found, coming)]
            last = [number for found in new if (number := self._finished.last(found.key)) is not None]
            held = await self._held([*(found.key for found in new), *last])
            for found in new:
                if self._known(found, held):
                    self._seen.add(found.key)
                    continue
                async with aclosing(self._frames(found, found.key in held)) as events:
                    async for frame in events:
                        await self._pace()
                        self._latest = max(self._latest, frame.captured_at)
                        yield frame
        open_cases = present - self._seen
        self._seen &= present
        self._waiting = {key: since for key, since in self._waiting.items() if key in open_cases}
        until = min([self._latest, *coming])
        if until > self._watched_until:
            self._watched_until = until
            yield Heartbeat(until)

    async def _next(self, listing: Iterator[Found]) -> list[Found]:
        started = self._clock.monotonic()
        try:
            return await self._context.run_blocking(lambda: list(islice(listing, BATCH)))
        except OSError as problem:
            raise NotReady(
                f"{self._root} cannot be listed: {problem.strerror}", hint="is its drive still connected?"
            ) from None
        finally:
            self._listing_took += self._clock.monotonic() - started

    async def _held(self, keys: Sequence[int]) -> frozenset[int]:
        if self._mode == "loop" or not keys:
            return frozenset()
        return await self._context.acknowledged(EPOCH, keys)

    def _known(self, found: Found, held: frozenset[int]) -> bool:
        """Whether it can be left closed: the ledger holds all of it."""
        suffix = found.path.suffix.lower()
        one_frame = suffix in STILL_SUFFIXES and suffix != ".gif"
        return found.key in held and (one_frame or self._finished.last(found.key) in held)

    def _settled(self, found: Found, coming: list[datetime]) -> bool:
        """Whether nobody seems to be writing it any more; asked while watching. An image still written is `coming`.

        A video being written is not: its frames are later than those of the recorder's last video.
        """
        if self._mode != "watch":
            return True
        is_movie = found.path.suffix.lower() in MOVIE_SUFFIXES
        needed = SETTLED_MOVIE if is_movie else SETTLED
        if (self._clock.now() - found.file_time).total_seconds() >= needed:
            return True
        now = self._clock.monotonic()
        if now - self._waiting.setdefault(found.key, now) >= needed:
            return True
        if not is_movie:
            coming.append(found.file_time)
        return False

    async def _frames(self, found: Found, resuming: bool) -> AsyncGenerator[Frame, None]:
        """The frames of one file, less those at its beginning that the ledger holds when `resuming`."""
        run, zone, now = self._context.run_blocking, self._context.time_zone, self._clock.now()
        last: int | None = None
        try:
            kind = await run(classify, found.path)
            if kind is Kind.STILL and not resuming:
                yield await run(still, found, zone, now)
            elif kind is Kind.MOVIE:
                shots = frames(found, self._every, zone, now)
                try:
                    while frame := await run(next, shots, None):
                        last = frame.seq
                        resuming = resuming and bool(await self._held([frame.seq]))
                        if not resuming:
                            yield frame
                finally:
                    with suppress(
                        ValueError
                    ):  # a thread is still at it: closed when that step drops the last reference
                        shots.close()
                await self._finish(found, last)
        except FileNotFoundError:
            self._context.logger.debug("a file went away before it was read")
        except Unreadable as problem:
            self._report(found.key, f"a file could not be read completely: {problem}")
            await self._finish(found, last)
        except OSError as problem:
            self._report(found.key, f"a file cannot be read: {problem.strerror}")
            return  # and try again in the next pass
        self._seen.add(found.key)

    async def _finish(self, found: Found, last: int | None) -> None:
        """Notes that the video's frames have been handed on up to `last`."""
        if self._mode != "loop" and last is not None:
            with suppress(OSError):  # costs the next start time, no frame
                await self._context.run_blocking(self._finished.add, found.key, last)

    async def _pace(self) -> None:
        if self._paced:
            wait = self._last_handed_on + self._every.total_seconds() - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
        self._last_handed_on = self._clock.monotonic()

    def _report_folder(self, problem: OSError) -> None:
        self._report(hash(problem.filename), f"a subfolder cannot be read: {problem.strerror}")

    def _report(self, key: int, message: str) -> None:
        """Once a file and run; without its name, which may be a person's."""
        if key not in self._reported:
            self._reported.add(key)
            self._context.logger.warning("%s", message)
