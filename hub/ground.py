"""What the hub itself stands on, as `fras check --connect` finds it: data folder, database, paired nodes."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from hub.db import servers
from hub.db.engine import name_of, open_database
from hub.db.errors import DatabaseBehind, DatabaseError
from hub.db.nodes import Node, NodeState
from hub.failure import Failure
from hub.nodes.registry import Registry
from hub.plugin import SystemClock
from hub.plugin.folders import free_in


def look_at_data(data: Path) -> str:
    """Whether files can be kept there. Blocks. Raises Failure."""
    try:
        free = free_in(data)
    except OSError as error:
        raise Failure(
            f"nothing can be kept in {data}: {error.strerror} ({error.filename})",
            hint="give the user that runs fras the right to write there, or name another folder with --data",
        ) from None
    return f"{free / 1e9:.1f} GB free" + ("" if data.is_dir() else "; it is made at the first start")


def misnamed(url: str) -> Failure | None:
    """What can be told of a database's URL without asking anybody."""
    try:
        name_of(url)
    except DatabaseError as error:
        return error
    return None


async def look_at_database(url: str) -> str:
    """Raises Failure."""
    file = _sqlite_file(url)
    if file is not None and not _is_file(file):
        return _unmade(file)
    try:
        async with open_database(url, read_only=True) as database:
            said = f"answers; faces are compared {'in it, by pgvector' if database.searches else 'in memory'}"
            async with database.read() as connection:
                if await servers.in_the_clear(connection):
                    said += "; what is said goes over a network without TLS; write ?ssl=verify-full at its URL's end"
            return said
    except DatabaseBehind:
        return "answers; its tables are brought up to date at the next start"
    except OSError as error:
        raise Failure(
            f"it cannot be reached: {error.strerror or error}",
            hint="look at the address at hub->database, the network, and whether the server runs",
        ) from None


async def nodes_of(url: str) -> list[Node]:
    """Those that the database knows; none before the first start. Raises as opening it."""
    file = _sqlite_file(url)
    if file is not None and not _is_file(file):
        return []
    try:
        async with open_database(url, read_only=True) as database:
            return await Registry(database, SystemClock()).everyone()
    except DatabaseBehind:
        return []


def paired_as(camera: str, nodes: Sequence[Node]) -> str:
    """How the node of a camera stands."""
    own = [node for node in nodes if node.camera == camera and node.state is not NodeState.REVOKED]
    if not own:
        return f"waits for its node: with the hub running, fras nodes add --camera {camera}"
    node = own[-1]
    if node.state is NodeState.WAITING:
        return f"node {node.id} waits to be confirmed: fras nodes confirm {node.id}"
    return f"node {node.id} is paired; last heard of {node.last_seen:%Y-%m-%d %H:%M} UTC"


def other_owner(data: Path) -> str:
    """Who owns the data folder, where that is not the user of this process; else empty."""
    try:
        owner = data.stat().st_uid
    except OSError:
        return ""
    if owner == os.geteuid():
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def _sqlite_file(url: str) -> Path | None:
    scheme, found, file = url.partition("sqlite:///")
    return Path(file) if found and not scheme else None


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # opening it says why
        return True


def _unmade(file: Path) -> str:
    """Raises Failure for a place where no database will be."""
    if file.is_dir():
        raise Failure(f"{file} is a folder", hint="name a file at hub->database")
    try:
        free_in(file.parent)
    except NotADirectoryError as error:
        raise Failure(
            f"{file} cannot be made: {error.filename} is a file", hint="name another file at hub->database"
        ) from None
    except OSError as error:
        raise Failure(
            f"{file} cannot be made: {error.strerror} ({error.filename})",
            hint="give the user that runs fras the right to write there, or name another file at hub->database",
        ) from None
    return "the file is made at the first start"
