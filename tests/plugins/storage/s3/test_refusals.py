"""What the server refuses for one object: the others go up and can be read, and the health says what waits and why."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from hub.plugin import NeedsHuman, PluginError
from plugins.storage.s3.spool import Spool
from tests.support.s3_servers import Fault, Server, fault_proxy, forward, refused_where, until

from .conftest import Opener
from .test_spool import keys_of

DOOMED = [f"doomed/{number:02}" for number in range(20)]


def denied(*words: bytes) -> Fault:
    """A 403 to every request whose first line holds one of each of these."""

    def befalls(head: bytes) -> bool:
        return all(word in head.partition(b"\r\n")[0] for word in words)

    return refused_where(befalls, "403 Forbidden", "AccessDenied")


async def test_one_denied_upload_holds_up_nothing(
    moto_server: Server,
    bucket: str,
    opened: Opener,
    eager: None,
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A filter in between dislikes one JPEG."""
    moto_server.make(bucket)
    moto_server.client().put_object(Bucket=bucket, Key="there", Body=b"x")
    others = [f"crops/{number}" for number in range(5)]
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(denied(b"PUT", b"poison"))
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            await storage.put("crops/poison", b"y")
            for key in others:
                await storage.put(key, b"z")
                assert await storage.get("there") == b"x"
            await until(lambda: keys_of(moto_server, bucket) == [*others, "there"])
            await until(lambda: said and said[-1].endswith(" does not let it be put (403)"))
            await until(lambda: said[-1].startswith("1 to be brought to"))
            assert await storage.get("crops/poison") == b"y"
            assert [key async for key in storage.list()] == [*others, "crops/poison", "there"]
        await proxy.set(forward)
        async with opened(Server(proxy.endpoint).config(bucket)):
            await until(lambda: "crops/poison" in keys_of(moto_server, bucket))
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "look at the right s3:PutObject" in line
    assert "poison" not in line + said[-1]


async def test_one_denied_deletion_is_not_called_done_and_holds_up_nothing(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    """A version under Object Lock."""
    moto_server.make(bucket)
    for key in ("locked", "there"):
        moto_server.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(denied(b"DELETE", b"locked"))
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            with pytest.raises(PluginError, match=r"does not let it be deleted .*Object Lock"):
                await storage.delete("locked")
            await storage.delete("there")
            await storage.put("new", b"z")
            await until(lambda: keys_of(moto_server, bucket) == ["locked", "new"])
            await until(lambda: said and said[-1].endswith(" does not let it be deleted (403)"))
            await proxy.set(forward)
            await storage.delete("locked")
            await until(lambda: said[-1] == "")
        assert keys_of(moto_server, bucket) == ["new"]


async def test_one_that_may_not_be_read_stops_no_reading(
    moto_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    moto_server.make(bucket)
    for key in ("archived", "there"):
        moto_server.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(denied(b"GET", b"archived"))
        for _ in range(3):
            with pytest.raises(PluginError, match=r"does not let it be read .*look at the rights s3:GetObject"):
                await storage.get("archived")
            assert await storage.get("there") == b"x"


async def test_a_missing_right_to_put_is_not_asked_for_again_and_again(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once it is given, everything goes up."""
    from plugins.storage.s3 import queues

    monkeypatch.setattr(queues, "KNOCK", 1.0)
    moto_server.make(bucket)
    moto_server.client().put_object(Bucket=bucket, Key="there", Body=b"x")
    tried: set[bytes] = set()

    def befalls(head: bytes) -> bool:
        if head.startswith(b"PUT"):
            tried.add(head.split()[1])
        return head.startswith(b"PUT")

    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(refused_where(befalls, "403 Forbidden", "AccessDenied"))
        for number in range(40):
            await storage.put(f"crops/{number:02}", b"z")
        await until(lambda: said and said[-1].startswith("40 to be brought") and " of them: " in said[-1])
        assert await storage.get("there") == b"x"
        assert queues.MANY <= len(tried) < 40
        await proxy.set(forward)
        await until(lambda: len(keys_of(moto_server, bucket)) == 41)


@pytest.mark.parametrize(
    ("method", "left"), [(b"DELETE", ["new", *DOOMED]), (b"PUT", [])], ids=["no deletion", "no upload"]
)
async def test_a_missing_right_to_do_the_one_does_not_hold_up_the_other(
    method: bytes, left: list[str], moto_server: Server, bucket: str, opened: Opener, eager: None, tmp_path: Path
) -> None:
    """Also after a restart, and though what is refused waits for longer."""
    moto_server.make(bucket)
    for key in DOOMED:
        moto_server.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    spool = Spool(tmp_path / "s3", 1000)
    for key in DOOMED:
        spool.doom(key)
    for number in range(20 if method == b"PUT" else 0):
        spool.keep(f"refused/{number}", b"z")
        os.utime(tmp_path / "s3" / "waiting" / f"refused+{number}", (0, 0))
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(denied(method))
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            await until(lambda: proxy.connections)
            await storage.put("new", b"z")
            await until(lambda: keys_of(moto_server, bucket) == sorted(left))


async def test_the_log_does_not_repeat_why_the_same_one_is_refused(
    moto_server: Server,
    bucket: str,
    opened: Opener,
    eager: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But has it again when it comes again."""
    from plugins.storage.s3 import uploads

    monkeypatch.setattr(uploads, "REFUSED_AGAIN", 0.05)
    moto_server.make(bucket)
    asked: list[bytes] = []

    def befalls(head: bytes) -> bool:
        asked.extend([head] * head.startswith(b"PUT"))
        return head.startswith(b"PUT")

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    fault = refused_where(befalls, "403 Forbidden", "AccessDenied")
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(fault)
        await storage.put("poison", b"y")
        await until(lambda: len(asked) > 4)
        assert len(lines()) == 1
        await proxy.set(forward)
        await until(lambda: keys_of(moto_server, bucket) == ["poison"])
        await proxy.set(fault)
        await storage.put("poison", b"y")
        await until(lambda: len(lines()) == 2)


async def test_a_server_that_cannot_encrypt_is_told_of_by_the_setting(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    moto_server.make(bucket)
    fault = refused_where(lambda head: head.startswith(b"PUT"), "501 Not Implemented", "NotImplemented")
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(fault)
        async with opened(Server(proxy.endpoint).config(bucket, encryption="AES256")) as storage:
            await storage.put("a", b"z")
            await until(
                lambda: said and said[-1].endswith("does not support what storage: encryption: AES256 asks for (501)")
            )
            with pytest.raises(PluginError):
                await storage.get("b")


async def test_an_old_reason_is_not_given_for_what_waits_later(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(denied(b"PUT", b"poison"))
        await storage.put("poison", b"y")
        await until(lambda: said and said[-1].endswith("(403)"))
        with pytest.raises(PluginError):
            await storage.get("nothing")
        await proxy.set(forward)
        await storage.delete("poison")
        await until(lambda: said[-1] == "")
        await proxy.set(None)
        with pytest.raises(PluginError):
            await storage.get("there")
        await storage.put("new", b"z")
        await until(lambda: said[-1].startswith("1 to be brought") and said[-1].endswith("cannot be reached"))


async def test_a_bucket_that_is_denied_altogether_needs_somebody(
    moto_server: Server, bucket: str, opened: Opener, eager: None
) -> None:
    moto_server.make(bucket)
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(denied())
        with pytest.raises(NeedsHuman, match="no right to do this, or the bucket is another account's"):
            await storage.get("a")
        await asyncio.sleep(0)


async def test_a_server_that_finds_nothing_where_it_should_put_is_not_asked_without_end(
    moto_server: Server, bucket: str, opened: Opener, eager: None, said: list[str]
) -> None:
    moto_server.make(bucket)
    asked: list[bytes] = []

    def befalls(head: bytes) -> bool:
        odd = head.startswith(b"PUT") and b"odd" in head.partition(b"\r\n")[0]
        asked.extend([head] * odd)
        return odd

    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(refused_where(befalls, "404 Not Found", "NoSuchKey"))
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            await storage.put("odd", b"x")
            await storage.put("next", b"y")
            await until(lambda: keys_of(moto_server, bucket) == ["next"])
            await until(lambda: said and said[-1].endswith(" answers as if it were asked for something"))
            assert len(asked) == 1
