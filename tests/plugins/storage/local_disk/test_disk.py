"""local_disk: what is put is there, whole, inside its folder and nowhere else."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.plugin import NeedsHuman, NotFound, NotReady, Storage, StorageFull
from hub.plugin.keys import key_parts
from plugins.storage.local_disk import fras_plugins
from tests.support.disks import local_disk


@pytest_asyncio.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with local_disk(tmp_path) as opened:
        yield opened


async def keys(storage: Storage, prefix: str = "") -> list[str]:
    return [key async for key in storage.list(prefix)]


def test_it_introduces_itself() -> None:
    (spec,) = fras_plugins()
    assert spec.name == "local_disk"


async def test_put_get_replace_delete(storage: Storage, tmp_path: Path) -> None:
    await storage.put("crops/2026-11-23/a.jpg", b"one")
    await storage.put("crops/2026-11-23/a.jpg", b"two" * 100_000)
    assert await storage.get("crops/2026-11-23/a.jpg") == b"two" * 100_000
    assert await storage.link("crops/2026-11-23/a.jpg", timedelta(minutes=1)) is None
    await storage.delete("crops/2026-11-23/a.jpg")
    await storage.delete("crops/2026-11-23/a.jpg")
    await storage.delete("crops/never/was.jpg")
    with pytest.raises(NotFound, match=r"has nothing under crops/2026-11-23/a\.jpg"):
        await storage.get("crops/2026-11-23/a.jpg")
    assert list((tmp_path / "own").iterdir()) == []


async def test_only_the_owner_can_read(storage: Storage, tmp_path: Path) -> None:
    await storage.put("a/b/c.jpg", b"x")
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {name: mode for name, mode in modes.items() if name != "own"} == {
        "own/a": 0o700,
        "own/a/b": 0o700,
        "own/a/b/c.jpg": 0o600,
    }


async def test_its_folder_may_be_named(tmp_path: Path) -> None:
    async with local_disk(tmp_path, "pictures/here") as storage:
        await storage.put("a", b"x")
    assert (tmp_path / "pictures" / "here" / "a").read_bytes() == b"x"


segments = st.text(st.sampled_from("aB0._-"), min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))


@given(st.sets(st.lists(segments, min_size=1, max_size=3).map("/".join), max_size=12), st.text("aB0._-/", max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_list_is_sorted_by_whole_keys(storage: Storage, wanted: set[str], prefix: str) -> None:
    # A key cannot be a file and the folder of another at once.
    kept = {key for key in wanted if not any(other.startswith(key + "/") for other in wanted)}
    for key in kept:
        await storage.put(key, key.encode())
    assert await keys(storage) == sorted(kept)
    assert await keys(storage, prefix) == sorted(key for key in kept if key.startswith(prefix))
    for key in kept:
        assert await storage.get(key) == key.encode()
        await storage.delete(key)
    assert await keys(storage) == []


BAD = ["", "/", "/etc/passwd", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a b", "a\\b", "a\n", "ä", "a\0b", "+x", "~"]


@pytest.mark.parametrize("key", BAD)
async def test_keys_that_are_none_are_refused(storage: Storage, tmp_path: Path, key: str) -> None:
    for call in (storage.put(key, b"x"), storage.get(key), storage.delete(key), storage.link(key, timedelta(1))):
        with pytest.raises(ValueError, match="is not a storage key"):
            await call
    assert [path.name for path in tmp_path.rglob("*")] == ["own"]


@given(st.text(max_size=12))
def test_no_key_leads_out(key: str) -> None:
    try:
        parts = key_parts(key)
    except ValueError:
        return
    root = Path("/some/folder")
    assert root in Path(os.path.normpath(root.joinpath(*parts))).parents


async def test_a_segment_too_long_for_the_disk_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="too long"):
        await storage.put("a" * 300, b"x")


async def test_links_lead_nowhere(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "own" / "folder").symlink_to(outside)
    (tmp_path / "own" / "file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file"):
        with pytest.raises(NotFound):
            await storage.get(key)
    await storage.delete("folder/secret")
    with pytest.raises(NeedsHuman, match="look for wrong rights, links or foreign files"):
        await storage.put("folder/new", b"x")
    assert await keys(storage) == []
    await storage.put("file", b"mine")
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret": b"secret"}
    assert await storage.get("file") == b"mine"


async def test_unfinished_files_are_swept_and_never_listed(tmp_path: Path) -> None:
    async with local_disk(tmp_path) as storage:
        await storage.put("a/b", b"x")
        (tmp_path / "own" / "a" / "+unfinished").write_bytes(b"half")
        assert await keys(storage) == ["a/b"]
    async with local_disk(tmp_path) as storage:
        assert {path.name for path in (tmp_path / "own" / "a").iterdir()} == {"b"}
        assert await keys(storage) == ["a/b"]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, NotReady)]
)
async def test_a_full_or_failing_disk_is_said_and_the_old_stays(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    await storage.put("a/b", b"old")

    def fail(file: int, data: memoryview) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", fail)
        with pytest.raises(kind) as said:
            await storage.put("a/b", b"new")
    assert type(said.value) is kind
    assert await storage.get("a/b") == b"old"
    assert {path.name for path in (tmp_path / "own" / "a").iterdir()} == {"b"}
    await storage.put("a/b", b"new")
    assert await storage.get("a/b") == b"new"


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from hub.plugin import StorageFull
from tests.support.disks import local_disk

async def main(folder):
    async with local_disk(folder) as storage:
        await storage.put("a", b"x" * 1000)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            await storage.put("a", b"y" * 100_000)
        except StorageFull:
            assert await storage.get("a") == b"x" * 1000
            print([key async for key in storage.list()])

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_real_limit_of_the_system_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout == "['a']\n"
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["a"]


async def test_a_folder_that_cannot_be_written_needs_a_human(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NeedsHuman, match=r"storage: the folder .*file/below cannot be written"):
        async with local_disk(tmp_path, "file/below"):
            pass


async def test_putting_while_folders_are_pruned(storage: Storage) -> None:
    async def churn(number: int) -> None:
        for _ in range(15):
            await storage.put(f"a/b/{number}", b"x")
            await storage.delete(f"a/b/{number}")

    await asyncio.gather(*(churn(number) for number in range(4)))
    assert await keys(storage) == []
