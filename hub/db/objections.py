"""What no backup may undo: objections, erasures and removed nodes, kept in a file of their own beside the database.

Every transaction that records an objection or removes a person or a node notes it here before it commits. `fras
restore` heeds what an older database does not know. Of an erased person only a hash of the id remains.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from hub.failure import Failure
from hub.recognition.consent import Consent

NAME = "objections.jsonl"
"""The file's name in the data folder."""
_NOTED = "fras objections"


@dataclass(frozen=True, slots=True)
class Objection:
    """A signer's refusal or withdrawal, as consent events have it."""

    person: str
    signer: str
    state: Consent
    at: datetime
    notice_version: str


@dataclass(frozen=True, slots=True)
class Erased:
    """`who` is `hash_of` the person's id."""

    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """A node, by its id."""

    node: str
    at: datetime


Entry: TypeAlias = Objection | Erased | Removed


def hash_of(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()


def note(connection: AsyncConnection, entry: Entry) -> None:
    """To be kept when the transaction commits."""
    connection.info.setdefault(_NOTED, []).append(entry)


def begin(connection: AsyncConnection) -> list[Entry]:
    """What `note` will have noted in the transaction that begins."""
    noted: list[Entry] = []
    connection.info[_NOTED] = noted
    return noted


def read(file: Path) -> list[Entry]:
    """Everything that is kept, in order; nothing where there is no file. Raises Failure for one that is damaged."""
    try:
        lines = file.read_text("utf-8").splitlines()
        return [_entry(line) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise Failure(
            f"{file} is damaged", hint="mend the line that is no JSON, or put an earlier copy in its place"
        ) from None


def keep(file: Path, entries: Iterable[Entry]) -> None:
    """Adds what is not kept yet; with an erasure, what the person had said before goes.

    Durable, and the file is there afterwards. Raises OSError, Failure.
    """
    with _locked(file.parent):
        before = read(file)
        after = list(_merged([*before, *entries]))
        if after != before or not file.exists():
            _replace(file, "".join(f"{_line(entry)}\n" for entry in after))


def _merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    distinct = dict.fromkeys(entries)
    erased: dict[str, datetime] = {}
    for entry in distinct:
        if isinstance(entry, Erased):
            erased[entry.who] = max(entry.at, erased.get(entry.who, entry.at))
    for entry in distinct:
        if isinstance(entry, Erased):
            if entry.at == erased[entry.who]:
                yield entry
        elif isinstance(entry, Removed) or (gone := erased.get(hash_of(entry.person))) is None or entry.at > gone:
            yield entry


def _line(entry: Entry) -> str:
    if isinstance(entry, Erased):
        return json.dumps({"erased": entry.who, "at": entry.at.isoformat()})
    if isinstance(entry, Removed):
        return json.dumps({"removed_node": entry.node, "at": entry.at.isoformat()})
    told = {"person": entry.person, "signer": entry.signer, "state": entry.state, "at": entry.at.isoformat()}
    return json.dumps(told | {"notice": entry.notice_version})


def _entry(line: str) -> Entry:
    told = json.loads(line)
    at = datetime.fromisoformat(told["at"]).astimezone(UTC)
    if "erased" in told:
        return Erased(str(told["erased"]), at)
    if "removed_node" in told:
        return Removed(str(told["removed_node"]), at)
    return Objection(str(told["person"]), str(told["signer"]), Consent(told["state"]), at, str(told["notice"]))


def _replace(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(number)
    new.replace(file)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, whatever process; what was renamed in the folder meanwhile is durable afterwards."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
        os.fsync(number)
    finally:
        os.close(number)
