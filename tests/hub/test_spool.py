"""Files of frames: whole or not there."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from pathlib import Path

import pytest

from hub.spool import Spool

A, B = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


def test_files_are_whole_private_and_gone_when_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "inbox")
    assert spool.write([(A, b"a" * 100_000), (B, b"")]) == [None, None]
    spool.sync()
    assert spool.read(A) == b"a" * 100_000
    assert stat.S_IMODE((tmp_path / "inbox" / A).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o700
    spool.remove([A, A])
    assert spool.names() == {B}


def test_foreign_files_are_nobodys_frames(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in ("notes.txt", A.upper().replace("0", "A"), A.replace("-", ""), "." + A):
        (tmp_path / name).touch()
    assert spool.names() == set()


@pytest.mark.parametrize("after", [0, 5])
def test_a_full_disk_leaves_nothing_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    def full(file: int, data: memoryview) -> int:
        if len(data) <= 100 - after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(file, data[:after])

    written = os.write
    monkeypatch.setattr(os, "write", full)
    (problem,) = Spool(tmp_path).write([(A, b"x" * 100)])
    assert problem is not None
    assert problem.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
