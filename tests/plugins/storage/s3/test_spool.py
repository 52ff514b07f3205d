"""What waits for the bucket: in order, bounded, for several processes, and never lost."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hub.plugin import NotFound, NotReady, StorageFull
from plugins.storage.s3.options import PART
from plugins.storage.s3.spool import Busy, Spool, lock_of
from tests.support.s3_servers import Server, cut_request, fault_proxy, forward, refused, refused_where, until

from .conftest import Opener

ROOT = Path(__file__).parents[4]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 1000)


def test_what_waits_comes_oldest_first_also_after_a_restart(spool: Spool, tmp_path: Path) -> None:
    for number, key in enumerate(("b", "a/c", "a/b")):
        spool.keep(key, key.encode())
        os.utime(tmp_path / "waiting" / key.replace("/", "+"), (0, number))
    spool.doom("z")
    again = Spool(tmp_path, 1000)
    to_put, to_delete = again.scan()
    assert [key for key, _ in to_put] == ["b", "a/c", "a/b"]
    assert [key for key, _ in to_delete] == ["z"]
    entry = again.entry("a/c")
    assert entry is not None
    assert entry.data == b"a/c"
    assert again.snapshot() == ({"b", "a/c", "a/b"}, {"z"})


def test_nobody_else_reads_it(spool: Spool, tmp_path: Path) -> None:
    spool.keep("a/b", b"x")
    spool.doom("c")
    for path in tmp_path.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_it_is_bounded_and_what_goes_makes_room(spool: Spool) -> None:
    spool.keep("a", b"x" * 900)
    with pytest.raises(StorageFull):
        spool.keep("b", b"x" * 101)
    spool.keep("b", b"x" * 100)
    spool.keep("a", b"x" * 900)  # in place of itself
    spool.doom("b")
    spool.keep("c", b"x" * 100)
    entry = spool.entry("a")
    assert entry is not None
    spool.arrived("a", entry)
    spool.keep("d", b"x" * 900)


def test_what_was_replaced_meanwhile_stays(spool: Spool) -> None:
    spool.keep("a", b"first")
    first = spool.entry("a")
    assert first is not None
    assert spool.offered("a", first)
    spool.keep("a", b"second")
    spool.arrived("a", first)
    second = spool.entry("a")
    assert second is not None
    assert second.data == b"second"
    assert not spool.offered("a", first)


def test_whether_the_bucket_can_have_it(spool: Spool) -> None:
    spool.keep("never offered", b"x")
    assert spool.doom("never offered")
    assert not spool.doom("never offered"), "nothing waits: perhaps it is there"
    spool.keep("offered", b"x")
    entry = spool.entry("offered")
    assert entry is not None
    spool.offered("offered", entry)
    assert not spool.doom("offered")
    assert not spool.has_parts("offered")


def test_a_deletion_that_cannot_be_noted_has_not_begun(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the bucket would keep what nobody remembers."""
    spool.keep("a", b"x")
    entry = spool.entry("a")
    assert entry is not None
    spool.offered("a", entry)

    def full(data: bytes) -> Path:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(spool, "_write", full)
        with pytest.raises(OSError, match="no space"):
            spool.doom("a")
    to_put, to_delete = spool.scan()
    assert [key for key, _ in to_put + to_delete] == ["a"]
    assert not spool.doom("a")
    assert spool.is_doomed("a")
    assert spool.entry("a") is None


async def test_parts_of_a_big_one_that_broke_off_are_removed_whichever_way_it_went(
    moto_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    """Through the spool, and past it; deleted since, and never put again."""
    moto_server.make(bucket)
    client = moto_server.client()

    def left() -> list[str]:
        return sorted(one["Key"] for one in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))

    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(
            refused_where(lambda head: b"uploadId=" in head.partition(b"\r\n")[0], "503 Slow Down", "SlowDown")
        )
        config = Server(proxy.endpoint).config(bucket, spool="9 MB")
        async with opened(config) as storage:
            with pytest.raises(StorageFull):
                await storage.put("past", b"x" * (9 * 1024 * 1024))
        config["spool"] = "2 GB"
        async with opened(config) as storage:
            await storage.put("through", b"x" * PART)
            await until(lambda: "through" in left())
            with suppress(NotReady):
                await storage.delete("through")
        assert left() == ["past", "through"]
        await proxy.set(forward)
        async with opened(config):
            await until(lambda: left() == [])
        assert keys_of(moto_server, bucket) == []


def test_a_note_from_when_there_was_no_folder_of_parts_is_understood(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "deleting" / "a+b").write_bytes(b"parts")
    spool.doom("c")
    again = Spool(tmp_path, 1000)
    assert again.has_parts("a/b")
    assert not again.has_parts("c")
    to_put, to_delete = again.scan()
    assert to_put == []
    assert sorted(key for key, _ in to_delete) == ["a/b", "c"]


def test_one_at_a_time_changes_a_key(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path, 1000)
    with spool.claim("a"), pytest.raises(Busy), other.claim("a"):
        pass
    with other.claim("a"):
        pass


def test_a_name_too_long_for_the_disk(spool: Spool) -> None:
    with pytest.raises(ValueError, match="too long"):
        spool.keep("a/" * 200 + "b", b"x")


def test_writers_and_erasers_at_once_leave_the_last_word(spool: Spool) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            spool.keep("shared", bytes([number, turn]))
            spool.doom("shared")
            spool.scan()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.entry("shared") is None
    spool.scan()
    spool.keep("all", b"x" * 1000)


async def test_a_full_spool_goes_past_itself_and_says_so_when_it_cannot(
    moto_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy:
        config = Server(proxy.endpoint).config(bucket, spool="1 kB")
        async with opened(config) as storage:
            await storage.put("big", b"x" * 5000)
            assert moto_server.client().head_object(Bucket=bucket, Key="big")["ContentLength"] == 5000
            await proxy.set(None)
            await storage.put("small", b"x" * 1000)
            with pytest.raises(StorageFull, match="raise storage: spool:"):
                await storage.put("more", b"x")
            await proxy.set(forward)
            await until(lambda: len(keys_of(moto_server, bucket)) == 2)
            await storage.put("more", b"x")


async def test_the_health_says_how_many_wait_since_when_and_why(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fras")
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(None)
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            for number in range(3):
                await storage.put(f"a/{number}", b"x")
            await until(lambda: said and said[-1].startswith("3 to be brought to"))
            assert f"bucket {bucket} at 127.0.0.1:" in said[-1]
            assert "waiting since " in said[-1]
            assert said[-1].endswith("cannot be reached")
            await proxy.set(forward)
            await until(lambda: said[-1] == "")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, lines
    assert lines[1].endswith("works again")


async def test_a_bucket_that_is_back_is_noticed_though_nothing_waits(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(None)
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            with pytest.raises(NotReady):
                await storage.get("a")
            await until(lambda: said and said[-1].endswith("cannot be reached"))
            assert "to be brought" not in said[-1]
            await proxy.set(forward)
            await until(lambda: said[-1] == "")


async def test_one_that_the_server_refuses_does_not_hold_up_the_others(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(refused("400 Bad Request", "EntityTooLarge"))
        await storage.put("poison", b"x")
        await until(lambda: said and said[-1].endswith("refuses it: EntityTooLarge"))
        await proxy.set(forward)
        await storage.put("next", b"x")
        await until(lambda: keys_of(moto_server, bucket) == ["next"])
        assert await storage.get("poison") == b"x"


async def test_keys_that_share_a_lock_go_up_one_after_the_other(
    moto_server: Server, bucket: str, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody in this process waits as if another one had it."""
    from plugins.storage.s3 import uploads

    monkeypatch.setattr(uploads, "BUSY_AGAIN", 600.0)
    moto_server.make(bucket)
    keys = [key for key in (f"k{number}" for number in range(2000)) if lock_of(key) == "07"][:12]
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        proxy.latency = 0.02
        await asyncio.gather(*(storage.put(key, b"x") for key in keys))
        await until(lambda: keys_of(moto_server, bucket) == sorted(keys))


async def test_a_connection_cut_in_mid_body_leaves_no_half_object(
    rclone_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    rclone_server.make(bucket)
    async with fault_proxy(rclone_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(cut_request(20_000))
        await storage.put("a", b"x" * 200_000)
        before = proxy.connections
        await until(lambda: proxy.connections > before + 1)
        await proxy.set(None)  # rclone lists what is just being sent, too: what is left when it is cut, counts
        await until(lambda: keys_of(rclone_server, bucket) == [], patience=60)
        await proxy.set(forward)
        await until(lambda: keys_of(rclone_server, bucket) == ["a"], patience=60)
        assert rclone_server.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"x" * 200_000


async def test_what_never_left_is_cancelled_without_the_bucket(
    moto_server: Server, bucket: str, opened: Opener, eager: None, tmp_path: Path
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(None)
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            with pytest.raises(NotReady):
                await storage.get("away")
            for number in range(20):
                await storage.put(f"{number}", b"x")
            await storage.delete("19")  # the last in the queue: not offered yet
            with pytest.raises(NotFound):
                await storage.get("19")
            await proxy.set(forward)
            await until(lambda: len(keys_of(moto_server, bucket)) == 19)
            await until(lambda: not list((tmp_path / "s3" / "deleting").iterdir()))
            assert "19" not in keys_of(moto_server, bucket)


async def test_a_command_beside_the_hub_works_on_the_same_spool(
    moto_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(None)
        config = Server(proxy.endpoint).config(bucket)
        async with opened(config) as hub:
            async with opened(config) as command:
                await command.put("enrolled", b"x")
                await hub.put("crop", b"y")
                assert await hub.get("enrolled") == b"x"
                assert await command.get("crop") == b"y"
            await proxy.set(forward)
            await until(lambda: keys_of(moto_server, bucket) == ["crop", "enrolled"])


WRITER = """
import asyncio, sys
from pathlib import Path
import voluptuous as vol
from hub.plugin.testing import make_context
from plugins.storage.s3 import fras_plugins

async def main(folder, bucket, endpoint, key, secret, start):
    (spec,) = fras_plugins()
    config = {"bucket": bucket, "endpoint": endpoint, "access_key": key, "secret_key": secret}
    checked = vol.Schema(dict(spec.config_schema))(config)
    async with make_context(Path(folder), data_folder=Path(folder) / "s3") as context:
        async with spec.open(checked, context) as storage:
            number = int(start)
            while True:
                await storage.put(f"crops/{number}", f"{number:06}".encode() * 3000)
                print("put", number, flush=True)
                if number % 4 == 0:
                    await storage.delete(f"crops/{number}")
                    print("deleted", number, flush=True)
                number += 1

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_half(
    moto_server: Server, bucket: str, opened: Opener, tmp_path: Path
) -> None:
    moto_server.make(bucket)
    put: set[int] = set()
    deleted: set[int] = set()
    async with fault_proxy(moto_server.endpoint) as proxy:
        proxy.latency = 0.01
        for life in range(3):
            said = await _killed(tmp_path, bucket, proxy.endpoint, 1000 * life)
            put |= {number for what, number in said if what == "put"}
            deleted |= {number for what, number in said if what == "deleted"}
        proxy.latency = 0
        begun = {number for number in put if number % 4 == 0} - deleted
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            await until(lambda: not list((tmp_path / "s3" / "waiting").iterdir()))
            await until(lambda: not list((tmp_path / "s3" / "deleting").iterdir()))
            there = {int(key.removeprefix("crops/")) async for key in storage.list("crops/")}
    assert len(put) > 20, "too few to say anything"
    assert put - deleted - begun <= there, "lost"
    assert not deleted & there, "came back"
    # One put of each life may be durable and not have been said.
    assert len(there - put) <= 3
    client = moto_server.client()
    for number in there:
        found = client.get_object(Bucket=bucket, Key=f"crops/{number}")["Body"].read()
        assert found == f"{number:06}".encode() * 3000, "half an object"


async def _killed(folder: Path, bucket: str, endpoint: str, start: int) -> list[tuple[str, int]]:
    """What a process that puts and deletes had said when it was killed."""
    from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, folder, bucket, endpoint, ACCESS_KEY, SECRET_KEY, str(start),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(random.randint(10, 40))]
    process.send_signal(signal.SIGKILL)
    lines += (await process.stdout.read()).splitlines()
    await process.wait()
    words = [line.split() for line in lines]
    return [(word.decode(), int(number)) for word, number in (pair for pair in words if len(pair) == 2)]


def keys_of(server: Server, bucket: str) -> list[str]:
    found: Any = server.client().list_objects_v2(Bucket=bucket).get("Contents", ())
    return [item["Key"] for item in found]
