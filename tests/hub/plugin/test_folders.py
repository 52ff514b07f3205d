"""Whether files can be put into a folder is tried, and nothing is left of the attempt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.plugin.folders import free_in


def test_a_folder_that_is_there_or_can_be_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new" / "deep"):
        assert 0 < free_in(folder) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError) as raised:
        free_in(file / "below" / "it")
    assert raised.value.filename == str(file)
    with pytest.raises(OSError) as closed:  # noqa: PT011 the kernel says which
        free_in(Path("/proc/nowhere"))
    assert closed.value.filename == "/proc"
