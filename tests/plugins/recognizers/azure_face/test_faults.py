"""Each way a remote can be ill, at each moment: a NotReady in time, and nothing left of it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import psutil
import pytest

from hub.plugin import NotReady, PluginError
from hub.plugin.testing import nothing_left_running
from plugins.recognizers.azure_face.api import FaceApi
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import ManualClock, api, opened

ILL: dict[str, faults.Fault] = {
    "hangs": faults.hang,
    "drips": faults.drip,
    "cuts": faults.cut,
    "cuts in the middle": faults.cut_off,
    "garbage": faults.garbage,
    "another shape": faults.wrong_shape,
    "endless": faults.endless,
    "400": faults.status(400),
    "408": faults.status(408),
    "429": faults.status(429, "1"),
    "500": faults.status(500),
    "503": faults.status(503, "1"),
}


@asynccontextmanager
async def in_good_time(seconds: float = 10.0) -> AsyncIterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.mark.parametrize("ill", ILL)
async def test_at_the_start_in_the_middle_and_at_the_end(ill: str, tmp_path: Path) -> None:
    timeout = "150 ms" if ill in ("hangs", "drips") else None  # the others need none
    async with serving() as azure, nothing_left_running():
        azure.fault = ILL[ill]
        async with in_good_time(), opened(tmp_path, azure.endpoint, timeout=timeout) as (recogniser, context):
            await context.clock.sleep(600)
            with pytest.raises(PluginError):
                await recogniser.identify([crop("ada")])
            azure.fault = None
            await context.clock.sleep(600)
            await recogniser.enrol("ada", [crop("ada")])
            assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"
            azure.fault = ILL[ill]
            for call in (
                recogniser.identify([crop("ada")]), recogniser.people(), recogniser.forget("ada"),
                recogniser.enrol("bob", [crop("bob")]),
            ):  # fmt: skip
                with pytest.raises(NotReady):
                    await call
            azure.fault = None
            await context.clock.sleep(600)
            assert await recogniser.people() == ["ada"]
            azure.fault = ILL[ill]
            last = asyncio.create_task(recogniser.identify([crop("ada")] * 30))
            await asyncio.sleep(0.02)
            last.cancel()
            await asyncio.wait({last})
        assert connections(azure) == 0


@pytest.mark.parametrize("moment", ["hangs", "drips", "endless"])
async def test_stopping_while_a_call_is_under_way(moment: str, tmp_path: Path) -> None:
    async with serving() as azure, nothing_left_running():
        async with in_good_time(), opened(tmp_path, azure.endpoint) as (recogniser, _):
            await recogniser.enrol("ada", [crop("ada")])
            azure.fault = ILL[moment]
            calls = [
                asyncio.create_task(recogniser.identify([crop("ada")])),
                asyncio.create_task(recogniser.enrol("bob", [crop("bob")])),
                asyncio.create_task(recogniser.forget("ada")),
            ]
            await asyncio.sleep(0.1)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        assert connections(azure) == 0


async def test_nobody_listens(tmp_path: Path) -> None:
    async with serving() as azure:
        endpoint = azure.endpoint
    async with in_good_time(), opened(tmp_path, endpoint) as (recogniser, _):
        with pytest.raises(NotReady, match=r"127\.0\.0\.1:\d+ cannot be reached: .*; look at the network"):
            await recogniser.identify([crop("ada")])
    async with in_good_time(), opened(tmp_path, "https://no-such-name.invalid") as (recogniser, _):
        with pytest.raises(NotReady, match=r"no-such-name\.invalid cannot be reached"):
            await recogniser.people()


RAW = [
    b"",
    b"HTTP/1.1 500 Ill\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<htm",
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
    b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
]


@asynccontextmanager
async def ill_server() -> AsyncIterator[str]:
    """Accepts, reads, and is ill in turn in every way that costs no time."""
    answers = itertools.cycle(RAW)

    async def ill(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers))
        writer.close()

    async with await asyncio.start_server(ill, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"


async def test_faults_on_real_connections_leave_nothing_open(tmp_path: Path) -> None:
    clock = ManualClock()
    async with ill_server() as endpoint, api(tmp_path, endpoint, clock=clock) as (service, _):
        await fail(service, clock, 30)
        before = Held()
        await fail(service, clock, 300)
        assert Held().files <= before.files + 1
        assert Held().objects <= before.objects + 500


class IllSession:
    """In place of aiohttp's: no call of ours reaches a network, and each goes wrong in another way."""

    def __init__(self) -> None:
        self.asked = 0

    @asynccontextmanager
    async def request(self, method: str, url: str, **what: Any) -> AsyncIterator[Any]:
        self.asked += 1
        match self.asked % 5:
            case 0:
                raise aiohttp.ServerDisconnectedError
            case 1:
                raise TimeoutError
            case 2:
                raise aiohttp.ClientConnectorError(SimpleNamespace(), OSError(111, "Connection refused"))  # type: ignore[arg-type]
        content = asyncio.StreamReader()
        content.feed_data(b"<html>")
        content.feed_eof()
        content.iter_any = lambda: _once(content)  # type: ignore[attr-defined]
        yield SimpleNamespace(status=503 if self.asked % 2 else 200, headers={}, content=content)


async def _once(content: asyncio.StreamReader) -> AsyncIterator[bytes]:
    yield await content.read()


async def test_memory_is_flat_over_ten_thousand_faults(tmp_path: Path) -> None:
    clock, session = ManualClock(), IllSession()
    async with api(tmp_path, "http://127.0.0.1:9", clock=clock, monthly_cap=10**9) as (service, _):
        service._client._http = session  # type: ignore[assignment]
        await fail(service, clock, 1000)
        before = Held()
        await fail(service, clock, 9000)
        after = Held()
    assert session.asked == 10_000
    assert after.files <= before.files
    assert after.objects <= before.objects + 500
    assert after.bytes <= before.bytes + 8_000_000


async def fail(service: FaceApi, clock: ManualClock, count: int) -> None:
    for _ in range(count):
        await clock.sleep(300)
        clock.slept.clear()
        with pytest.raises(NotReady):
            await service.training(attempts=1)


class Held:
    """What this process holds now."""

    def __init__(self) -> None:
        gc.collect()
        self.files = psutil.Process().num_fds()
        self.bytes = psutil.Process().memory_info().rss
        self.objects = len(gc.get_objects())


def connections(azure: FakeAzure) -> int:
    """Sockets of this process that are connected to the service's port, in the state that a client keeps open."""
    port = int(azure.endpoint.rpartition(":")[2])
    found = [
        one
        for one in psutil.Process(os.getpid()).net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    ]
    return len(found)
