"""What waits for one bucket is never brought to another, nor called erased there; and nobody forgets that it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.plugin import NeedsHuman
from plugins.storage.s3 import fras_plugins
from plugins.storage.s3.target import stranded
from tests.support.s3_servers import Server, fault_proxy, forward, until

from .conftest import Opener
from .test_spool import keys_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where `opened` has the plugin's own."""
    return tmp_path / "s3"


@pytest.mark.parametrize("change", ["bucket", "prefix", "endpoint"])
async def test_a_noted_deletion_is_not_done_in_another_bucket(
    change: str, moto_server: Server, bucket: str, opened: Opener, eager: None, folder: Path
) -> None:
    client = moto_server.client()
    for name in (bucket, f"{bucket}-b"):
        moto_server.make(name)
    client.put_object(Bucket=bucket, Key="face", Body=b"x")
    async with fault_proxy(moto_server.endpoint) as proxy, fault_proxy(moto_server.endpoint) as elsewhere:
        before = Server(proxy.endpoint).config(bucket)
        after: dict[str, Any] = {
            "bucket": {**before, "bucket": f"{bucket}-b"},
            "prefix": {**before, "prefix": "school/"},
            "endpoint": {**before, "endpoint": elsewhere.endpoint},
        }[change]
        await proxy.set(None)
        async with opened(before) as storage:
            with pytest.raises(Exception, match="cannot be reached"):
                await storage.delete("face")
            await storage.put("new", b"y")
        await proxy.set(forward)
        with pytest.raises(NeedsHuman, match=f"1 picture and 1 deletion wait for bucket {bucket} at 127.0.0.1") as told:
            async with opened(after):
                pass
        assert "put it back until they are there" in str(told.value)
        assert stranded(folder, after).startswith(f"1 picture and 1 deletion wait for bucket {bucket} at ")
        assert stranded(folder, None) == stranded(folder, after)
        assert stranded(folder, before) == ""
        assert keys_of(moto_server, bucket) == ["face"]
        async with opened(before):
            await until(lambda: keys_of(moto_server, bucket) == ["new"])
            await until(lambda: stranded(folder, None) == "")
        async with opened(after):
            pass


async def test_the_bucket_is_not_changed_beneath_one_that_is_at_work(
    moto_server: Server, bucket: str, opened: Opener
) -> None:
    moto_server.make(bucket)
    moto_server.make(f"{bucket}-b")
    async with opened(moto_server.config(bucket)), opened(moto_server.config(bucket)):
        with pytest.raises(NeedsHuman, match=f"is at work for bucket {bucket} at .*; let it end, or .*fras reload"):
            async with opened(moto_server.config(f"{bucket}-b")):
                pass
    async with opened(moto_server.config(f"{bucket}-b")):
        pass


async def test_what_a_killed_process_was_writing_waits_for_no_bucket(
    moto_server: Server, bucket: str, opened: Opener, folder: Path
) -> None:
    """Nobody was told that it is kept."""
    moto_server.make(bucket)
    moto_server.make(f"{bucket}-b")
    half = folder / "unfinished" / "half"
    async with opened(moto_server.config(bucket)):
        half.write_bytes(b"x")
        async with opened(moto_server.config(bucket)):
            assert half.exists(), "somebody may be writing it"
    assert stranded(folder, None) == ""
    async with opened(moto_server.config(f"{bucket}-b")):
        assert not half.exists()


async def test_a_bucket_that_has_another_name_now_is_one_file_away(
    moto_server: Server, bucket: str, opened: Opener, eager: None, folder: Path
) -> None:
    moto_server.make(bucket)
    async with opened({**moto_server.config(bucket), "endpoint": "http://127.0.0.1:9"}) as storage:
        await storage.put("a", b"x")
    (folder / "bucket.json").unlink()
    async with opened(moto_server.config(bucket)):
        await until(lambda: keys_of(moto_server, bucket) == ["a"])


async def test_the_note_holds_no_secret(bucket: str, moto_server: Server, opened: Opener, folder: Path) -> None:
    moto_server.make(bucket)
    config = moto_server.config(bucket)
    async with opened(config):
        pass
    note = (folder / "bucket.json").read_text("utf-8")
    assert bucket in note
    assert config["secret_key"] not in note
    assert config["access_key"] not in note


def test_nothing_waits_where_nothing_ever_was(tmp_path: Path) -> None:
    (spec,) = fras_plugins()
    assert spec.stranded is stranded
    assert stranded(tmp_path / "none", None) == ""
