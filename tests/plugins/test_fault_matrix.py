"""Every remote × every fault, each at the start, in mid-stream and at the stop: an error in time, and nothing is left.

Each time it is counted whether the fault has befallen a connection. What each says is in the tests of each plugin, and
so is what a USB camera can do wrong (missing, no camera, used by others, unplugged, hanging in its driver): it has
neither statuses nor TLS.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
import trustme
import voluptuous as vol

from hub.plugin import CameraSpec, PluginError
from hub.plugin.testing import nothing_left_running
from plugins.cameras import http_snapshot, rtsp
from plugins.storage import s3
from tests.plugins.cameras.http_snapshot.conftest import WebCamera
from tests.plugins.cameras.http_snapshot.conftest import serving as web_camera
from tests.support import azure, rtsp_server
from tests.support.azure.client import ManualClock, opened
from tests.support.context import make_context
from tests.support.rtsp_server import RtspServer
from tests.support.s3_servers import Fault, FaultProxy, Server, answer, drip, fault_proxy, forward, hang, noise, rclone

Use = Callable[[], Awaitable[object]]
(RTSP,), (SNAPSHOT,), (S3,) = (plugin.fras_plugins() for plugin in (rtsp, http_snapshot, s3))
BUCKET = "lindenschule"


def behaving(behave: rtsp_server.Behave) -> Fault:
    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behave(reader, writer)

    return fault


async def spoil_tls(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Below the encryption comes a record that nobody has encrypted."""
    os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
    await reader.read()


class Counted:
    """A fault, and how many connections it has befallen; as a callback of TLS, how many were shown a certificate."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.times = 0

    async def befall(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.times += 1
        await self._fault(proxy, reader, writer)

    def greeted(self, *_: object) -> None:
        self.times += 1


@dataclass(frozen=True)
class Ill:
    """`http` and `rtsp` are what befalls connections; None refuses them. `tls`: at the start it is the certificate."""

    http: Fault | None
    rtsp: Fault | None
    tls: bool = False


FAULTS = {
    "refuse": Ill(None, None),
    "hang": Ill(hang, behaving(rtsp_server.hang)),
    "drip": Ill(drip, behaving(rtsp_server.drip)),
    "4xx": Ill(answer("403 Forbidden", b"<html>"), behaving(rtsp_server.answering("403 Forbidden"))),
    "5xx": Ill(answer("500 Oops", b"<html>"), behaving(rtsp_server.answering("500 Oops"))),
    "garbage": Ill(noise(b"\x00\xff" * 500), behaving(rtsp_server.garbage)),
    "tls": Ill(spoil_tls, spoil_tls, tls=True),
}


class Remotes:
    """Servers that are well, one of each kind for all tests, and an authority that one certificate is of."""

    def __init__(self, folder: Path, camera: RtspServer, buckets: Server) -> None:
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.folder = folder
        self.camera = camera
        self.buckets = buckets

    def certificate(self, authority: trustme.CA) -> tuple[ssl.SSLContext, str]:
        """And its fingerprint."""
        made = authority.issue_cert("127.0.0.1")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.configure_cert(context)
        return context, sha256(ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())).hexdigest()


@pytest.fixture(scope="module")
def remotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remotes]:
    kept = tmp_path_factory.mktemp("buckets") / BUCKET
    kept.mkdir()
    (kept / "there").write_bytes(b"x")
    with rtsp_server.serving() as camera, rclone(kept.parent) as buckets:
        yield Remotes(tmp_path_factory.mktemp("remotes"), camera, buckets)


@asynccontextmanager
async def upstream_of(remote: str, remotes: Remotes) -> AsyncIterator[str]:
    if remote == "azure_face":
        async with azure.serving() as fake:
            yield fake.endpoint
    elif remote == "http_snapshot":
        async with web_camera(WebCamera()) as address:
            yield address
    else:
        yield remotes.buckets.endpoint if remote == "s3" else f"http://127.0.0.1:{remotes.camera.port}"


@asynccontextmanager
async def azure_face(folder: Path, endpoint: str, pin: str) -> AsyncIterator[Use]:
    clock = ManualClock()
    async with opened(folder, endpoint, clock=clock, timeout="200 ms") as (recogniser, _):

        async def people() -> object:
            await clock.sleep(600)
            return await recogniser.people()

        yield people


@asynccontextmanager
async def bucket(folder: Path, endpoint: str, pin: str) -> AsyncIterator[Use]:
    trust = {"ca_file": "ca.pem"} if endpoint.startswith("https") else {}
    config = vol.Schema(dict(S3.config_schema))(Server(endpoint).config(BUCKET, **trust))
    async with make_context(folder, instance_id="s3") as context, S3.open(config, context) as storage:
        yield lambda: storage.get("there")


@asynccontextmanager
async def snapshot(folder: Path, endpoint: str, pin: str) -> AsyncIterator[Use]:
    trust = {"pin": pin} if endpoint.startswith("https") else {}
    async with camera(folder, SNAPSHOT, url=f"{endpoint}/open.jpg", still_every="0 s", every="5 ms", **trust) as use:
        yield use


@asynccontextmanager
async def stream(folder: Path, endpoint: str, pin: str) -> AsyncIterator[Use]:
    scheme, _, place = endpoint.partition("://")
    trust = {"ca": "ca.pem"} if scheme == "https" else {}
    url = f"{scheme.replace('http', 'rtsp')}://{place}/mjpeg"
    async with camera(folder, RTSP, url=url, still_every="0 s", every="5 ms", **trust) as use:
        yield use


@asynccontextmanager
async def camera(folder: Path, spec: CameraSpec, **config: str) -> AsyncIterator[Use]:
    checked = vol.Schema(dict(spec.config_schema))({"timeout": "500 ms", **config})
    async with make_context(folder) as context, spec.open(checked, context) as source:
        events = aiter(source.events())
        try:
            yield lambda: anext(events)
        finally:
            await events.aclose()  # type: ignore[attr-defined]


REMOTES: dict[str, Callable[[Path, str, str], AbstractAsyncContextManager[Use]]] = {
    "azure_face": azure_face, "s3": bucket, "rtsp": stream, "http_snapshot": snapshot
}  # fmt: skip


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, remotes: Remotes) -> None:
    """Nobody waits for long, a busy disk included, and Azure's certificate may be of the test's authority."""
    from plugins.storage.s3 import bucket, line

    for module, name, value in (
        (bucket, "ATTEMPTS", 1), (bucket, "READ", 0.4), (line, "LONGEST_CALL", 0.8),
        (line, "FIRST_WAIT", 0.01), (line, "LONGEST_WAIT", 0.01),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("os.fsync", lambda file: None)
    trusting = ssl.create_default_context()
    remotes.authority.configure_trust(trusting)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("remote", REMOTES)
async def test_at_the_start_in_mid_stream_and_at_the_stop(
    remote: str, fault: str, remotes: Remotes, hasty: None
) -> None:
    ill, open_remote, process = FAULTS[fault], REMOTES[remote], psutil.Process()
    fault_there = ill.rtsp if remote == "rtsp" else ill.http
    counted = Counted(fault_there) if fault_there else None
    befalls = counted.befall if counted else None
    (good, pin), (bad, _) = remotes.certificate(remotes.authority), remotes.certificate(trustme.CA())
    if counted:
        bad.sni_callback = counted.greeted

    def has_befallen(so_far: int) -> int:
        """How often by now."""
        assert counted is None or counted.times > so_far
        return counted.times if counted else 0

    def at(proxy: FaultProxy) -> AbstractAsyncContextManager[Use]:
        return open_remote(remotes.folder, proxy.endpoint, pin)

    async def work(proxy: FaultProxy, used: asyncio.Event) -> None:
        async with at(proxy) as use:
            while True:
                await use()
                used.set()

    async def at_work(proxy: FaultProxy) -> asyncio.Task[None]:
        """It has been used; that is tried again where this machine is too busy for its short time-outs."""
        while True:
            used = asyncio.Event()
            working, begun = asyncio.create_task(work(proxy, used)), asyncio.create_task(used.wait())
            await asyncio.wait([working, begun], return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                return working
            begun.cancel()
            with suppress(PluginError):
                await working

    async with upstream_of(remote, remotes) as upstream, fault_proxy(upstream, good if ill.tls else None) as proxy:
        await stopped_again(await at_work(proxy))
        held = process.num_fds()
        async with nothing_left_running(), asyncio.timeout(100):
            await proxy.set(befalls, bad if ill.tls else None)
            with pytest.raises(PluginError):
                await works(at(proxy))
            times = has_befallen(0)
            for stopped in (False, True):
                await proxy.set(forward, good if ill.tls else None)
                working = await at_work(proxy)
                assert proxy.open
                if befalls is None:
                    await proxy.set(None)
                else:
                    proxy.turn(befalls)
                if stopped:
                    await asyncio.sleep(0.05)
                    await stopped_again(working)
                else:
                    with pytest.raises(PluginError):
                        await working
                times = has_befallen(times)
            await proxy.set(forward, good if ill.tls else None)
            await stopped_again(await at_work(proxy))
            while process.num_fds() > held or proxy.open:
                await asyncio.sleep(0.02)


async def works(opened: AbstractAsyncContextManager[Use]) -> None:
    async with opened as use:
        await use()


async def stopped_again(working: asyncio.Task[None]) -> None:
    working.cancel()
    with suppress(asyncio.CancelledError, PluginError):
        await working
