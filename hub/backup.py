"""One file that brings a school back on another machine, made while its hub works on."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from hub import __version__, archive, picture_keys
from hub.archive import Manifest, Writer
from hub.db import objections, schema, snapshot
from hub.db.engine import open_database
from hub.failure import Failure
from hub.nodes import identity
from hub.plugin import Clock, NotFound, Storage

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 16
"""Pictures fetched from storage at once."""
HELD = ".backup-"
"""Begins the name of the folder, in the data folder, where the files of waiting frames are held."""
SECRETS = "secrets.yaml"


@dataclass(slots=True)
class Kept:
    """What went into a backup. `gone`: pictures whose retention ended while it was made; `keys`: those nodes trust."""

    bytes: int = 0
    pictures: int = 0
    gone: int = 0
    frames: int = 0
    configuration: tuple[str, ...] = ()
    keys: bool = False


class Backup:
    """What a backup is made of: the database, what storage keeps, the frames that wait, the configuration, the keys
    by which nodes know the hub.

    `config_files` are hub.yaml, then what it includes; secrets.yaml and what is outside of `base` are left out.
    """

    def __init__(
        self, school: str, database: Path, data: Path, base: Path, config_files: Sequence[Path], storage: Storage,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._school = school
        self._database = database
        self._data = data
        self._base = base.resolve()
        self._config_files = config_files
        self._storage = storage
        self._clock = clock

    async def to(self, target: Path, report: Callable[[str], None]) -> Kept:
        """Makes `target`, for its owner alone, in place of what had that name; on any failure that stays.

        Raises Failure, PluginError.
        """
        if target.is_dir():  # noqa: ASYNC240
            raise Failure(f"{target} is a folder", hint=f"name a file, such as {target / 'fras.tar'}")
        given_up = threading.Event()
        kept = Kept()
        try:
            with _unfinished(target) as file, _holding(self._data) as held:
                copy = _beside(target, "database")
                copy.unlink(missing_ok=True)
                try:
                    copy.touch(mode=0o600)
                    report("copying the database")
                    hold = _Hold(self._data / "inbox", held)
                    await _in_thread(given_up, snapshot.copy, self._database, copy, hold, given_up)
                    async with self._writer(file, target, given_up) as writer:
                        kept.bytes += await _add(given_up, writer, archive.DATABASE, copy)
                        if (said := self._data / objections.NAME).exists():
                            kept.bytes += await _add(given_up, writer, archive.OBJECTIONS, said)
                        if (marks := self._data / picture_keys.NAME).exists():
                            kept.bytes += await _add(given_up, writer, archive.MARKS, marks)
                        for name, key in (await _in_thread(given_up, identity.kept, self._data)).items():
                            await _in_thread(given_up, writer.add_bytes, archive.NODES + name, key)
                            kept.bytes += len(key)
                            kept.keys = True
                        kept.configuration = await self._add_configuration(writer, given_up)
                        for frame in hold.frames:
                            kept.bytes += await _add(given_up, writer, archive.INBOX + frame, held / frame)
                        kept.frames = len(hold.frames)
                        report("copying pictures")
                        await self._add_pictures(writer, copy, kept, given_up)
                        await _in_thread(given_up, writer.finish)
                finally:
                    copy.unlink(missing_ok=True)
                await _in_thread(given_up, _finish, file, target)
        except OSError as error:
            raise _unwritable(target, error) from None
        return kept

    @asynccontextmanager
    async def _writer(self, file: IO[bytes], target: Path, given_up: threading.Event) -> AsyncIterator[Writer]:
        manifest = Manifest(__version__, schema.HEAD, self._clock.now(), self._school)
        writer = Writer(file, target.parent, manifest, given_up)
        try:
            yield writer
        finally:
            writer.close()

    async def _add_configuration(self, writer: Writer, given_up: threading.Event) -> tuple[str, ...]:
        main, *included = self._config_files
        names = {archive.MAIN: main}
        for path in included:
            if path.name != SECRETS and path.is_relative_to(self._base):
                names.setdefault(str(path.relative_to(self._base)), path)
        for name, path in names.items():
            await _add(given_up, writer, archive.CONFIG + name, path)
        return tuple(names)

    async def _add_pictures(self, writer: Writer, copy: Path, kept: Kept, given_up: threading.Event) -> None:
        async for keys in _pictures(copy):
            for key, picture in zip(keys, await asyncio.gather(*map(self._picture, keys)), strict=True):
                if picture is None:
                    kept.gone += 1
                else:
                    kept.pictures += 1
                    kept.bytes += len(picture)
                    await _in_thread(given_up, writer.add_bytes, archive.STORAGE + key, picture)

    async def _picture(self, key: str) -> bytes | None:
        try:
            return await self._storage.get(key)
        except NotFound:
            return None


class _Hold:
    """Keeps the files of waiting frames from going with the frames: a second name for each, in the folder `held`."""

    def __init__(self, inbox: Path, held: Path) -> None:
        self._inbox = inbox
        self._held = held
        self.frames: list[str] = []

    def __call__(self, frames: Sequence[str]) -> None:
        for frame in frames:
            try:
                os.link(self._inbox / frame, self._held / frame)
            except FileNotFoundError:  # lost before: the next start of the hub will say so
                continue
            except OSError:  # a disk without hard links
                shutil.copyfile(self._inbox / frame, self._held / frame)
            self.frames.append(frame)


async def _pictures(copy: Path) -> AsyncIterator[list[str]]:
    async with open_database(f"sqlite:///{copy}", read_only=True) as database, database.read() as connection:
        batch: list[str] = []
        async for key in snapshot.keys(connection):
            batch.append(key)
            if len(batch) == AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch


async def _add(given_up: threading.Event, writer: Writer, name: str, path: Path) -> int:
    def add() -> int:
        with path.open("rb") as source:
            return writer.add(name, source)

    return await _in_thread(given_up, add)


async def _in_thread(given_up: threading.Event, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Whoever is cancelled meanwhile has the thread stop soon, and waits for that: it still writes."""
    task = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait({task})
        task.exception()
        raise


@contextmanager
def _unfinished(target: Path) -> Iterator[IO[bytes]]:
    """The file that will become `target`; gone again unless it has."""
    path = _beside(target, "unfinished")
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "wb") as file:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"another fras backup is writing {target}", hint="wait for it, or name another file"
            ) from None
        try:
            os.fchmod(number, 0o600)
            file.truncate()
            yield file
        finally:
            path.unlink(missing_ok=True)


def _finish(file: IO[bytes], target: Path) -> None:
    """Durable first, then under its name."""
    file.flush()
    os.fsync(file.fileno())
    _beside(target, "unfinished").rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _holding(data: Path) -> Iterator[Path]:
    """A folder in the data folder for the time of a backup; those of killed ones go."""
    for left in data.glob(f"{HELD}*"):
        if not _alive(left.name.removeprefix(HELD)):
            shutil.rmtree(left, ignore_errors=True)
    folder = data / f"{HELD}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: str) -> bool:
    with suppress(ValueError, ProcessLookupError, OverflowError):
        with suppress(PermissionError):  # somebody else's, but alive
            os.kill(int(pid), 0)
        return True
    return False


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _unwritable(target: Path, error: OSError) -> Failure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Failure(
            f"no room for the backup {target}; nothing was written",
            hint="free some space, or name a file on another disk: it takes as much as database and pictures together",
        )
    return Failure(
        f"the backup {target} cannot be written: {error.strerror}", hint="check that its folder exists, and the rights"
    )
