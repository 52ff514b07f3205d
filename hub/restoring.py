"""Bringing a school back from a backup: everything is unpacked and verified beside, then put in place at once."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from hub import archive, lock, picture_keys
from hub.archive import Manifest
from hub.db import consent, nodes, objections, people, schema, snapshot
from hub.db.engine import Database, open_database
from hub.db.nodes import NodeState
from hub.db.objections import Erased, Objection, Removed
from hub.failure import Failure
from hub.nodes import identity
from hub.people import Erasure
from hub.plugin import Storage

STAGED = ".restoring"
"""The folder, in the data folder, where a backup is unpacked."""
HALF = ".half-restored"
"""Stands in the data folder while what was there makes way for what comes."""
ASIDE = "before-restore-"
"""Begins the name of the folder that keeps what was in the data folder."""
OWN = (lock.NAME, STAGED, HALF, "fault.log")


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside` is where what was there before went, `not_taken` the configuration files kept as they were; `since` what
    had been objected to since the backup. `keys`: whose nodes know the hub by, if there are any."""

    manifest: Manifest
    pictures: int
    frames: int
    aside: Path | None
    not_taken: tuple[str, ...]
    since: Since
    keys: Keys


@dataclass(frozen=True, slots=True)
class Since:
    """Whose objection, whose erasure and which nodes' removal the backup did not know: by id. `told` is False where
    nobody could say."""

    objected: tuple[str, ...]
    erased: tuple[str, ...]
    nodes: tuple[str, ...]
    told: bool


class Keys(Enum):
    """By which keys nodes will know the hub."""

    NONE = "none"
    BACKUP = "the backup's keys"
    HERE = "the keys of the data folder, which are no older than the backup's"


def refuse_half_restored(data: Path) -> None:
    """Raises Failure for a data folder that a killed restore left half exchanged."""
    if (data / HALF).exists():
        raise Failure(
            f"a restore into {data} was interrupted half-way",
            hint=f"run fras restore FILE --force again; what was there before is in {data}/{ASIDE}…",
        )


def refuse_occupied(data: Path, force: bool) -> None:
    """Raises Failure where a restore would take the place of something, unless `force`.

    Objections may be there: somebody may have put the last that are left into an empty folder.
    """
    if not force and any(entry.name != objections.NAME for entry in _entries(data)):
        raise Failure(
            f"the data folder {data} is not empty",
            hint="name another with --data, or add --force: what is there is moved aside, not deleted",
        )


@contextmanager
def unpacking(data: Path) -> Iterator[Path]:
    """An empty folder in the data folder, gone afterwards with all that is still in it."""
    folder = data / STAGED
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        yield folder
    except OSError as error:
        raise _unwritable(data, error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def unpack(file: Path, folder: Path) -> Manifest:
    """Unpacks and verifies; nothing is believed before every hash is right. Raises Failure, OSError."""
    given_up = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(archive.unpack, file, folder, _welcome, given_up))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait({task})
        task.exception()
        raise


def _welcome(manifest: Manifest) -> None:
    if not schema.known(manifest.schema):
        raise Failure(
            f"the backup was made by FRAS {manifest.fras} with schema {manifest.schema}, newer than the {schema.HEAD} "
            "this FRAS knows",
            hint="install the newer FRAS, then restore",
        )


async def prepare_database(file: Path) -> None:
    """Checks every page of an unpacked database and brings it to the schema of this FRAS. Raises DatabaseError."""
    await asyncio.to_thread(snapshot.check, file)
    async with open_database(f"sqlite:///{file}"):
        pass


async def fill(storage: Storage, folder: Path) -> int:
    """Puts every file below `folder` into storage under its path and removes it; says how many. Raises PluginError."""
    count = 0
    for path in _files(folder):
        await storage.put(path.relative_to(folder).as_posix(), await asyncio.to_thread(path.read_bytes))
        path.unlink()
        count += 1
    return count


def stage_objections(folder: Path, new: Path, data: Path) -> bool:
    """Merges the backup's objections with those the data folder knows into `new`; says whether it knows any."""
    told = data / objections.NAME
    for file in (folder / archive.OBJECTIONS, told):
        objections.keep(new / objections.NAME, objections.read(file))
    return told.exists()


async def heed(database: Database, erasure: Erasure, file: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Has a database that was brought back know what is kept in `file`; says by id who objected and who was erased
    without its knowing.

    An id that was entered anew after its erasure is somebody's whom that does not concern.
    """
    kept = await asyncio.to_thread(objections.read, file)
    if not kept:
        return (), ()
    async with database.read() as connection:
        entered = await people.entered(connection)
        said = await consent.by_person(connection)
    gone = {entry.who: entry.at for entry in kept if isinstance(entry, Erased)}
    erased = [
        person
        for person, at in sorted(entered.items())
        if (then := gone.get(objections.hash_of(person))) and at <= then
    ]
    for person in erased:
        await erasure.person(person)
    known = {(event.person, event.signer, event.state, event.at) for events in said.values() for event in events}
    unknown = [
        entry
        for entry in kept
        if isinstance(entry, Objection)
        and entry.person in entered.keys() - set(erased)
        and (entry.person, entry.signer, entry.state, entry.at) not in known
    ]
    if not unknown:
        return (), tuple(erased)
    async with database.write() as connection:
        for entry in unknown:
            await consent.append(
                connection,
                person=entry.person,
                signer=entry.signer,
                state=entry.state,
                at=entry.at,
                notice_version=entry.notice_version,
            )
    await erasure.lapsed()
    return tuple(sorted({entry.person for entry in unknown})), tuple(erased)


async def heed_removals(database: Database, file: Path) -> tuple[str, ...]:
    """Has a database that was brought back know which nodes were removed, as kept in `file`; says which it did not."""
    kept = {
        entry.node: entry.at for entry in await asyncio.to_thread(objections.read, file) if isinstance(entry, Removed)
    }
    async with database.read() as connection:
        there = await nodes.everyone(connection)
    back = tuple(node.id for node in there if node.id in kept and node.state is not NodeState.REVOKED)
    if back:
        async with database.write() as connection:
            for node in back:
                await nodes.revoke(connection, node, kept[node])
            await nodes.changed(connection)
    return back


async def renew_credentials(database: Database) -> None:
    """Has every node make a new credential when it comes: it may come with one from before the backup."""
    async with database.write() as connection:
        await nodes.age_credentials(connection)


def stage_marks(folder: Path, new: Path, data: Path) -> None:
    """What the hub here and the one of the backup have stored is the restored one's: nobody else will look after it."""
    picture_keys.succeed(new / picture_keys.NAME, data / picture_keys.NAME, folder / archive.MARKS)


def stage_keys(folder: Path, new: Path, data: Path) -> Keys:
    """Puts the keys by which nodes know the hub into `new`: the backup's, unless the data folder's came after them."""
    backup, here = folder / archive.NODES, data / identity.FOLDER
    ours = identity.outlives(here, backup)
    if not ours and not backup.is_dir():
        return Keys.NONE
    shutil.copytree(here if ours else backup, new / identity.FOLDER)
    return Keys.HERE if ours else Keys.BACKUP


def exchange(data: Path, new: Path, staged: Path, database: Path, now: datetime) -> Path | None:
    """Moves what is in the data folder aside and what is in `new` into its place; says where the old went.

    The database, if `staged` is not in `new`, goes to its place `database`. If a move fails, everything is moved back.
    Raises OSError.
    """
    stamp = f"{now:%Y%m%dT%H%M%S}"
    if (data / f"{ASIDE}{stamp}").exists():  # two in one second
        stamp = f"{now:%Y%m%dT%H%M%S.%f}"
    aside = data / f"{ASIDE}{stamp}"
    moves = [(entry, aside / entry.name) for entry in _entries(data)]
    coming = [(entry, data / entry.name) for entry in new.iterdir()]
    if not staged.is_relative_to(new):
        old_ones = [database.with_name(database.name + part) for part in ("", "-wal", "-shm")]
        moves += [(old, old.with_name(f"{old.name}.{ASIDE}{stamp}")) for old in old_ones if old.exists()]
        coming.append((staged, database))
    old = bool(moves)
    moves += coming
    os.sync()
    (data / HALF).touch(mode=0o600)
    done: list[tuple[Path, Path]] = []
    try:
        if old:
            aside.mkdir(mode=0o700)
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        with suppress(OSError):
            aside.rmdir()
        raise
    finally:
        (data / HALF).unlink()
    os.sync()
    return aside if old else None


@contextmanager
def configuration(unpacked: Path, config: Path) -> Iterator[list[str]]:
    """Puts the backup's configuration beside `config` where there is none; gives the names of those kept that differ.

    Of these the backup's lies beside as NAME.from-backup. Goes again if what follows fails.
    """
    put: list[Path] = []
    kept: list[str] = []
    try:
        for path in _files(unpacked):
            name = path.relative_to(unpacked)
            place = config if name == Path(archive.MAIN) else config.parent / name
            if place.exists():
                if place.read_bytes() == path.read_bytes():
                    continue
                kept.append(str(name))
                place = place.with_name(f"{place.name}.from-backup")
            place.parent.mkdir(parents=True, exist_ok=True)
            put.append(place)
            shutil.copyfile(path, place)
            place.chmod(0o600)
        yield kept
    except BaseException:
        for place in put:
            place.unlink(missing_ok=True)
        raise


def stage_inbox(folder: Path, inbox: Path) -> int:
    """Moves the frames that waited to `inbox`; says how many there are."""
    if not (folder / "inbox").is_dir():
        return 0
    (folder / "inbox").rename(inbox)
    return sum(1 for _ in _files(inbox))


def stage_database(folder: Path, new: Path, data: Path, place: Path, force: bool) -> Path:
    """Moves the unpacked database to where it goes in `new`; for one whose place is not in the data folder, beside
    that. Says where it is."""
    unpacked = folder / archive.DATABASE
    if not unpacked.is_file():
        raise Failure("the backup holds no database", hint="take another one")
    if place.is_relative_to(data):
        target = new / place.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unpacked.rename(target)
        return target
    if place.exists() and not force:
        raise Failure(
            f"the database {place} exists", hint="name another in hub.yaml, or add --force: it is moved aside"
        )
    target = place.with_name(f".{place.name}.restoring")
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(unpacked, target)
    return target


def _entries(data: Path) -> Iterable[Path]:
    return (entry for entry in sorted(data.iterdir()) if entry.name not in OWN and not entry.name.startswith(ASIDE))


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _unwritable(data: Path, error: OSError) -> Failure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Failure(
            f"no room in the data folder {data}; it is as it was", hint="free some space, then restore again"
        )
    where = error.filename or data
    return Failure(f"{where} cannot be written: {error.strerror}; {data} is as it was", hint="look at the rights there")
