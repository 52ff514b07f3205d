"""Which bucket it is that things wait for, noted beside them: nothing is brought to another, nor erased in another.

Whoever has the storage open holds `locks/target` together with all others; to change the bucket one must be alone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hub.plugin import Config, NeedsHuman

from .spool import KEPT, Spool, left_in

NOTE: Final = "bucket.json"


@dataclass(frozen=True, slots=True)
class Target:
    """`endpoint` and `prefix` as hub.yaml has them, empty where it has none. A bucket of AWS has its name alone."""

    bucket: str
    endpoint: str
    prefix: str

    @classmethod
    def of(cls, config: Config) -> Target:
        return cls(config["bucket"], config.get("endpoint", ""), config.get("prefix", ""))

    @classmethod
    def noted(cls, folder: Path) -> Target | None:
        """What is noted in the plugin's `folder`, if anything is."""
        try:
            return cls(**json.loads((folder / NOTE).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def __str__(self) -> str:
        at = urlsplit(self.endpoint).netloc if self.endpoint else "AWS"
        return f"bucket {self.bucket} at {at}" + (f", prefix {self.prefix}" if self.prefix else "")


def stranded(folder: Path, config: Config | None) -> str:
    """What waits in the plugin's `folder` for another bucket than `config` names, or for any, without one."""
    there = Target.noted(folder)
    waits = left_in(folder)
    if not waits or (config is not None and there in (None, Target.of(config))):
        return ""
    return f"{waits} for {there or 'a bucket'}"


@contextmanager
def bound(spool: Spool, folder: Path, target: Target) -> Iterator[None]:
    """What is in `spool` is for `target`, and stays so inside. Raises NeedsHuman, and OSError as the disk gives it."""
    file = os.open(spool.binding, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, KEPT)
    try:
        with spool.alone():
            fcntl.flock(file, fcntl.LOCK_SH)
            before = Target.noted(folder)
            if before != target:
                if before is not None:
                    _leave(file, spool, folder, before)
                spool.note(json.dumps(asdict(target)).encode(), folder / NOTE)
                fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def _leave(file: int, spool: Spool, folder: Path, before: Target) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NeedsHuman(
            f"storage s3: another command, or the hub, is at work for {before}",
            hint="let it end, or have the hub read hub.yaml again: fras reload",
        ) from None
    spool.sweep()  # nobody else is there who could be writing
    if waits := left_in(folder):
        raise NeedsHuman(
            f"storage s3: {waits} for {before}, which hub.yaml does not name any more",
            hint="put it back until they are there; docs/storage-s3.md says more, and of a bucket that is gone",
        )
