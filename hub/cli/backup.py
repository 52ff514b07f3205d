"""`fras backup` and `fras restore`: a school in one file, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.app import Paths, open_backup
from hub.app import restore as bring_back
from hub.cli import console
from hub.db import objections
from hub.restoring import Keys, Restored


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it, for example /backup/fras.tar.")],
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Writes database, pictures, waiting frames, nodes' keys and hub.yaml into one file, beside a running hub too.

    secrets.yaml is not in it: keep that apart. The file holds biometric data and keys; only its owner may read it.
    """
    where = console.paths(config, data)
    console.run(_backup(where, file.absolute()), where)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What fras backup wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Move what the data folder holds aside, into before-restore-...")
    ] = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Verifies a backup and puts it into the data folder, and hub.yaml where there is none. No hub may run there."""
    where = console.paths(config, data)
    console.run(_restore(where, file.absolute(), force), where)


async def _backup(where: Paths, target: Path) -> int:
    async with open_backup(where) as made:
        kept = await made.to(target, console.say)
    console.say(
        f"kept in {target}: the database, {kept.pictures} pictures, {kept.frames} frames that wait, "
        f"{', '.join(kept.configuration)}; {_megabytes(kept.bytes)}"
    )
    if kept.gone:
        console.say(f"{kept.gone} pictures were no longer in storage")
    held = "the school's templates" + (" and the keys by which nodes know this hub" if kept.keys else "")
    console.say(f"secrets.yaml is not in it; keep it apart. Whoever has the file has {held}.")
    return 0


async def _restore(where: Paths, file: Path, force: bool) -> int:
    done = await bring_back(where, file, force=force, report=console.say)
    made = done.manifest
    console.say(
        f"restored {made.school} as of {made.created_at:%Y-%m-%d %H:%M} UTC: {done.pictures} pictures, "
        f"{done.frames} frames that wait; data in {where.data}"
    )
    if done.aside:
        console.say(f"what was there before: {done.aside}")
    for name in done.not_taken:
        console.say(f"{name} was kept as it is; the backup's is beside it as {name}.from-backup")
    if done.keys is not Keys.NONE:
        console.say(f"nodes know this hub by {done.keys.value}")
    for line in _since(done):
        console.say(line)
    return 0


def _since(done: Restored) -> list[str]:
    """What had been objected to since the backup, and how the restore heeded it."""
    since = done.since
    lines = []
    if since.objected:
        lines.append(f"objections made since are in force: {', '.join(map(console.printable, since.objected))}")
    if since.erased:
        lines.append(f"removed since, and removed again: {', '.join(map(console.printable, since.erased))}")
    if since.nodes:
        lines.append(f"nodes removed since, and removed again: {', '.join(since.nodes)}")
    if not since.told:
        lines.append(
            f"{objections.NAME} of the data that were lost was not there: who objected or was removed, and which nodes "
            f"were, after {done.manifest.created_at:%Y-%m-%d %H:%M} UTC is not known; record it again before fras run"
        )
    return lines or ["nobody has objected or was removed since"]


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
