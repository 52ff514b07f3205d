"""Each fault of a server or a network, at the start, in mid-stream and at the stop: nothing lost, nothing blocked."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from dataclasses import dataclass

import psutil
import pytest

from hub.plugin import NeedsHuman, NotReady, PluginError
from hub.plugin.testing import keeps_ticking, nothing_left_running
from tests.support.s3_servers import (
    Fault,
    FaultProxy,
    Server,
    answer,
    cut_answer,
    cut_request,
    drip,
    fault_proxy,
    forward,
    hang,
    noise,
    refused,
    until,
)

from .conftest import Opener


@dataclass(frozen=True)
class Case:
    """`error` and `says` are what a get of something that only the bucket could have raises."""

    fault: Fault | None
    error: type[PluginError]
    says: str


CASES = {
    "refuses": Case(None, NotReady, "cannot be reached; check the network"),
    "hangs": Case(hang, NotReady, "does not answer in time"),
    "drips": Case(drip, NotReady, "does not answer in time"),
    "forbidden": Case(refused("403 Forbidden", "AccessDenied"), NeedsHuman, "another account's; compare the policy"),
    "no bucket": Case(refused("404 Not Found", "NoSuchBucket"), NeedsHuman, "there is no such bucket; create it"),
    "no key": Case(refused("403 Forbidden", "InvalidAccessKeyId"), NeedsHuman, "does not know the access key"),
    "expired": Case(refused("400 Bad Request", "ExpiredToken"), NeedsHuman, "the credentials have expired"),
    "moved": Case(
        refused("301 Moved Permanently", "PermanentRedirect", "x-amz-bucket-region: eu-west-3"),
        NeedsHuman,
        "is in the region eu-west-3; correct storage: region:",
    ),
    "region": Case(
        refused("400 Bad Request", "AuthorizationHeaderMalformed"), NeedsHuman, "is in another region; correct"
    ),
    "skewed": Case(
        refused("403 Forbidden", "RequestTimeTooSkewed", "Date: Sat, 21 Nov 2020 10:00:00 GMT"),
        NeedsHuman,
        r"refuses this machine's clock, which is \d+ min ahead; set the clock by network time",
    ),
    "storms": Case(refused("503 Slow Down", "SlowDown"), NotReady, r"overloaded or out of order \(503\)"),
    "breaks": Case(answer("500 Internal Server Error", b"<html>"), NotReady, r"out of order \(500\)"),
    "full": Case(refused("507 Insufficient Storage", "XMinioStorageFull"), NotReady, "has no room; make room"),
    "garbage": Case(noise(b"\x00\xff" * 500), NotReady, "answers, but not as S3 does|cuts the connection"),
    "log-in page": Case(answer("200 OK", b"<html>Log in</html>"), NotReady, "answers, but not as S3 does; look at"),
    "elsewhere": Case(answer("302 Found", b"", "Location: http://127.0.0.1:9/"), NotReady, "not as S3 does"),
    "cuts requests": Case(cut_request(300), NotReady, "cuts the connection"),
    "cuts answers": Case(cut_answer(5), NotReady, "cuts the connection|not as S3"),
}


@pytest.mark.parametrize("name", CASES)
async def test_nothing_is_lost_and_nothing_blocks(
    name: str,
    rclone_server: Server,
    bucket: str,
    opened: Opener,
    eager: None,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if name in ("hangs", "drips"):
        request.getfixturevalue("impatient")
    case = CASES[name]
    rclone_server.make(bucket)
    there = rclone_server.folder and rclone_server.folder / bucket
    assert there is not None
    async with nothing_left_running(), fault_proxy(rclone_server.endpoint) as proxy:
        config = Server(proxy.endpoint).config(bucket)
        await proxy.set(case.fault)
        async with keeps_ticking(), opened(config) as storage:
            await storage.put("start/1", b"1" * 2000)
            assert await storage.get("start/1") == b"1" * 2000
            with pytest.raises(case.error, match=case.says):
                await storage.get("nowhere")
            with pytest.raises(case.error, match=case.says):
                await storage.delete("remote")
            await proxy.set(forward)
            await until(lambda: (there / "start/1").exists())
            await proxy.set(case.fault)
            for number in range(5):
                await storage.put(f"mid/{number}", bytes([number]) * 2000)
            await storage.delete("mid/3")
            await asyncio.sleep(0.1)
            assert await storage.get("mid/4") == b"\x04" * 2000
        await proxy.set(forward)
        async with opened(config) as storage:
            await until(lambda: all((there / f"mid/{number}").exists() for number in (0, 1, 2, 4)))
            await until(lambda: not list((there.parent).rglob("waiting/*")))
            assert [key async for key in storage.list()] == ["mid/0", "mid/1", "mid/2", "mid/4", "start/1"]
            assert await storage.get("mid/2") == b"\x02" * 2000
        assert not (there / "mid/3").exists()
    assert config["secret_key"] not in caplog.text


async def test_hundreds_of_faults_leave_nothing_behind(
    rclone_server: Server,
    bucket: str,
    opened: Opener,
    eager: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "fras")  # pytest keeps records, with all that was on the stack
    monkeypatch.setattr("plugins.storage.s3.line.FIRST_WAIT", 0.0)
    monkeypatch.setattr("plugins.storage.s3.line.LONGEST_WAIT", 0.0)
    names = ("storms", "breaks", "garbage", "log-in page", "forbidden", "elsewhere")
    behaving = itertools.cycle([case.fault for name in names if (case := CASES[name]).fault])

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behave = next(behaving)
        assert behave is not None
        answering = asyncio.create_task(behave(proxy, reader, writer))
        await asyncio.wait([answering], timeout=0.02)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)

    def held() -> tuple[int, int, int]:
        gc.collect()
        return psutil.Process().num_fds(), threading.active_count(), len(gc.get_objects())

    async with fault_proxy(rclone_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:

        async def fail(times: int) -> None:
            for _ in range(times):
                with pytest.raises(PluginError):
                    await storage.get("nowhere")
            await until(lambda: not proxy.open)

        await proxy.set(fault)
        await fail(60)
        files, threads, objects = held()
        await fail(300)
        more = [after - before for after, before in zip(held(), (files, threads, objects), strict=True)]
        assert more[0] <= 2
        assert more[1] <= 4, "the pool's own"
        assert more[2] <= 1000
