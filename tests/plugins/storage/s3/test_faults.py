"""Each fault of a server or a network, at the start, in mid-stream and at the stop: nothing lost, nothing blocked."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import ssl
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import trustme

from hub.plugin import NeedsHuman, NotFound, NotReady, PluginError
from hub.plugin.testing import keeps_ticking, nothing_left_running
from hub.runtime.limits import Limits
from tests.support.fault_kinds import spoil_tls
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
    """`error` and `says` are what a get of something that only the bucket could have raises. With `tls` the server has
    TLS, and shows the certificate of that name while the fault lasts."""

    fault: Fault | None
    error: type[PluginError]
    says: str
    tls: str = ""


class Authority:
    """Certificates of 127.0.0.1, except where the name says otherwise."""

    def __init__(self, folder: Path) -> None:
        trusted, stranger = trustme.CA(), trustme.CA()
        self._issued = {
            "good": trusted.issue_cert("127.0.0.1"),
            "a stranger's": stranger.issue_cert("127.0.0.1"),
            "another host's": trusted.issue_cert("elsewhere.example"),
        }
        trusted.cert_pem.write_to_path(str(folder / "ca.pem"))

    def shows(self, name: str) -> ssl.SSLContext:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._issued[name].configure_cert(tls)
        return tls


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
    "untrusted": Case(forward, NeedsHuman, "its certificate is signed by nobody this machine trusts", "a stranger's"),
    "for another": Case(forward, NeedsHuman, "its certificate is for another host", "another host's"),
    "tls refuses": Case(None, NotReady, "cannot be reached", "good"),
    "tls garbage": Case(spoil_tls, NotReady, "no TLS there|cuts the connection|not as S3", "good"),
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
    tmp_path: Path,
) -> None:
    if name in ("hangs", "drips"):
        request.getfixturevalue("impatient")
    case = CASES[name]
    rclone_server.make(bucket)
    there = rclone_server.folder and rclone_server.folder / bucket
    assert there is not None
    authority = Authority(tmp_path) if case.tls else None
    good, bad = (authority.shows("good"), authority.shows(case.tls)) if authority else (None, None)
    async with nothing_left_running(), fault_proxy(rclone_server.endpoint, good) as proxy:
        config = Server(proxy.endpoint).config(bucket, **({"ca_file": "ca.pem"} if case.tls else {}))
        await proxy.set(case.fault, bad)
        async with keeps_ticking(), opened(config) as storage:
            await storage.put("start/1", b"1" * 2000)
            assert await storage.get("start/1") == b"1" * 2000
            with pytest.raises(case.error, match=case.says):
                await storage.get("nowhere")
            with pytest.raises(case.error, match=case.says):
                await storage.delete("remote")
            await proxy.set(forward, good)
            await until(lambda: (there / "start/1").exists())
            await proxy.set(case.fault, bad)
            for number in range(5):
                await storage.put(f"mid/{number}", bytes([number]) * 2000)
            with suppress(PluginError):  # the bucket may have been offered it already
                await storage.delete("mid/3")
            with pytest.raises(NotFound):
                await storage.get("mid/3")
            assert await storage.get("mid/4") == b"\x04" * 2000
        await proxy.set(forward, good)
        async with opened(config) as storage:
            await until(lambda: all((there / f"mid/{number}").exists() for number in (0, 1, 2, 4)))
            await until(lambda: not [*tmp_path.glob("s3/waiting/*"), *tmp_path.glob("s3/deleting/*")])
            assert [key async for key in storage.list()] == ["mid/0", "mid/1", "mid/2", "mid/4", "start/1"]
            assert await storage.get("mid/2") == b"\x02" * 2000
        assert not (there / "mid/3").exists()
    assert config["secret_key"] not in caplog.text


@pytest.mark.parametrize("fault", [hang, drip])
async def test_a_server_that_holds_on_does_not_hold_up_the_stop(
    fault: Fault, rclone_server: Server, bucket: str, opened: Opener
) -> None:
    """Well within what the hub gives a plugin to close, and no thread stays behind, with time-outs as they are."""
    rclone_server.make(bucket)
    async with fault_proxy(rclone_server.endpoint) as proxy, nothing_left_running():
        await proxy.set(fault)
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(opened(Server(proxy.endpoint).config(bucket)))
            for number in range(10):
                await storage.put(f"a/{number}", b"x")
            reading = asyncio.create_task(storage.get("nowhere"))
            await until(lambda: proxy.open >= 3)
            async with asyncio.timeout(Limits().close_cap):
                reading.cancel()
                await stack.aclose()


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
    monkeypatch.setattr("plugins.storage.s3.line.LONGEST_CALL", 0.1)
    monkeypatch.setattr("plugins.storage.s3.bucket.READ", 0.05)
    quick = ("storms", "breaks", "garbage", "log-in page", "forbidden", "elsewhere")
    names = (*quick * 4, "hangs", "drips", "cuts requests", "cuts answers")
    behaving = itertools.cycle([case.fault for name in names if (case := CASES[name]).fault])

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behave = next(behaving)
        assert behave is not None
        answering = asyncio.create_task(behave(proxy, reader, writer))
        try:
            await asyncio.wait([answering], timeout=None if behave in (hang, drip) else 0.02)
        finally:
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
