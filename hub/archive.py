"""The file that `fras backup` writes: a tar anybody can look into, with the hash of every member.

`manifest.json` comes first, `sha256sums` (as `sha256sum -c` reads it) last: an archive without it was cut off.
Reading and writing keep nothing in memory that grows with the archive.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from hub.failure import Failure

FORMAT = "fras-backup"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SUMS = "sha256sums"
DATABASE = "database"
CONFIG = "config/"
MAIN = "hub.yaml"
"""What the configuration file is called in an archive, whatever its name is."""
OBJECTIONS = "objections"
MARKS = "storage-mark"
"""By which the hub knows its pictures in storage."""
NODES = "nodes/"
"""The keys by which nodes know the hub; names as in the data folder."""
INBOX = "inbox/"
STORAGE = "storage/"

LARGEST_MANIFEST = 65_536
CHUNK = 1 << 20
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PLAIN = r"(?!\.{1,2}(?:/|$))[^/\0]+"
_KEY = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+"
_KEYS = r"key\.pem|backup\.pem|backup\.pin|retired\.pins"
_MEMBER = re.compile(
    rf"{DATABASE}|{OBJECTIONS}|{MARKS}|{CONFIG}{_PLAIN}(?:/{_PLAIN})*|{NODES}(?:{_KEYS})|{INBOX}{_UUID}"
    rf"|{STORAGE}{_KEY}(?:/{_KEY})*",
    re.ASCII,
)
"""Every name a member may have; none of them leads out of a folder."""


class NotThisArchive(Failure):
    """The file is no archive of ours, is damaged, or holds what no backup holds."""


class GivenUp(Exception):
    """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`schema` is the database's revision, `fras` the version that wrote it, `created_at` UTC."""

    fras: str
    schema: str
    created_at: datetime
    school: str

    def to_json(self) -> bytes:
        told: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        told["created_at"] = self.created_at.isoformat()
        return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def of_json(cls, data: bytes) -> Manifest:
        """Raises ValueError, KeyError or TypeError for what is none; Failure for one of a later format."""
        told = json.loads(data)
        if told["format"] != FORMAT:
            raise ValueError(told["format"])
        if told["format_version"] != FORMAT_VERSION:
            raise Failure(
                f"the backup has format {told['format_version']}, this FRAS reads {FORMAT_VERSION}",
                hint="restore it with the FRAS that wrote it, or a newer one",
            )
        at = datetime.fromisoformat(told["created_at"]).astimezone(UTC)
        return cls(str(told["fras"]), str(told["schema"]), at, str(told["school"]))


class Writer:
    """Writes members as they come; `finish` adds the hashes. Raises OSError as the disk gives it."""

    def __init__(self, file: IO[bytes], scratch: Path, manifest: Manifest, given_up: threading.Event) -> None:
        """What grows with the archive is kept in an unnamed file in the folder `scratch`."""
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # see finish
        self._sums = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  # see close
        self._written_at = int(manifest.created_at.timestamp())
        self._given_up = given_up
        self.add(MANIFEST, io.BytesIO(manifest.to_json()))

    def add(self, name: str, source: IO[bytes]) -> int:
        """Adds all that `source`, which can seek, holds, and says how many bytes that is."""
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        hashing = _Hashing(source, self._given_up)
        self._tar.addfile(self._member(name, size), hashing)
        self._tar.members.clear()  # type: ignore[attr-defined]  # else it remembers every member
        self._sums.write(_line(hashing.sum.hexdigest(), name))
        return size

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data))

    def finish(self) -> None:
        self._tar.addfile(self._member(SUMS, self._sums.tell()), _rewound(self._sums))
        self._tar.close()

    def close(self) -> None:
        self._sums.close()

    def _member(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._written_at
        return info


def unpack(archive: Path, folder: Path, welcome: Callable[[Manifest], None], given_up: threading.Event) -> Manifest:
    """Writes every member below the empty `folder` and verifies every hash; what is there counts once it returns.

    `welcome` may refuse the manifest by raising before anything else is read. Raises NotThisArchive, Failure for a
    file that cannot be read, OSError for a folder that cannot be written, GivenUp.
    """
    try:
        file = archive.open("rb")
    except OSError as error:
        raise Failure(f"{archive} cannot be read: {error.strerror}", hint="check the name and the rights") from None
    with file, tempfile.TemporaryFile(dir=folder) as sums:
        try:
            with _opened(archive, file) as tar:
                told = _first(archive, tar)
                manifest = _manifest(archive, told)
                welcome(manifest)
                sums.write(_line(hashlib.sha256(told).hexdigest(), MANIFEST))
                _members(archive, tar, folder, sums, given_up)
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(archive, f"it cannot be read on ({error})") from None
        return manifest


def _opened(archive: Path, file: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except tarfile.TarError:
        raise _foreign(archive) from None


def _first(archive: Path, tar: tarfile.TarFile) -> bytes:
    member = tar.next()
    if member is None or member.name != MANIFEST or member.size > LARGEST_MANIFEST:
        raise _foreign(archive)
    reader = tar.extractfile(member)
    return reader.read() if reader else b""


def _manifest(archive: Path, told: bytes) -> Manifest:
    try:
        return Manifest.of_json(told)
    except (ValueError, KeyError, TypeError):
        raise _foreign(archive) from None


def _members(archive: Path, tar: tarfile.TarFile, folder: Path, sums: IO[bytes], given_up: threading.Event) -> None:
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # else it remembers every member
        reader = tar.extractfile(member) if member.isreg() else None
        if reader is not None and member.name == SUMS:
            return _compare(archive, reader, sums)
        if reader is None or not _MEMBER.fullmatch(member.name):
            raise NotThisArchive(
                f"{archive} holds {member.name!r}, which no backup of FRAS has",
                hint="do not trust it; take another one",
            )
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if target.exists():
            raise _damaged(archive, f"{member.name} stands in it twice")
        hashing = _Hashing(reader, given_up)
        with target.open("xb") as written:
            target.chmod(0o600)
            while chunk := hashing.read(CHUNK):
                written.write(chunk)
        sums.write(_line(hashing.sum.hexdigest(), member.name))
    raise _damaged(archive, "it is cut off, or broken in the middle")


def _compare(archive: Path, told: IO[bytes], found: IO[bytes]) -> None:
    """Line by line, so that the first member that differs is named."""
    for line in _rewound(found):
        if told.readline(LARGEST_MANIFEST) != line:
            name = line.partition(b"  ")[2].decode().rstrip("\n")
            raise _damaged(archive, f"{name} is not what was kept")
    if told.read(1):
        raise _damaged(archive, "members are missing")


def _foreign(archive: Path) -> NotThisArchive:
    return NotThisArchive(f"{archive} is not a backup of FRAS", hint="name a file that fras backup wrote")


def _damaged(archive: Path, how: str) -> NotThisArchive:
    return NotThisArchive(
        f"the backup {archive} is damaged: {how}", hint="copy it again from where it was made, or take an older one"
    )


def _line(digest: str, name: str) -> bytes:
    return f"{digest}  {name}\n".encode()


def _rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


class _Hashing:
    """Hashes what is read through it; stops when nobody waits any more."""

    def __init__(self, source: IO[bytes], given_up: threading.Event) -> None:
        self._source = source
        self._given_up = given_up
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        if self._given_up.is_set():
            raise GivenUp
        data = self._source.read(size)
        self.sum.update(data)
        return data
