"""Every remote × every fault, each at the start, in mid-stream and at the stop: an error in time, and nothing is left.

What each says is in the tests of each plugin, and so is what a USB camera can do wrong (missing, no camera, used by
others, unplugged, hanging in its driver): it has neither statuses nor TLS.
"""

from __future__ import annotations

import asyncio
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


@dataclass(frozen=True)
class Ill:
    """`http` and `rtsp` are what befalls connections; None refuses them. `tls`: another certificate is shown."""

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
    "tls": Ill(forward, forward, tls=True),
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
    befalls = ill.rtsp if remote == "rtsp" else ill.http
    (good, pin), (bad, _) = remotes.certificate(remotes.authority), remotes.certificate(trustme.CA())

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
            for stopped in (False, True):
                await proxy.set(forward, good if ill.tls else None)
                working = await at_work(proxy)
                if befalls is None or ill.tls:
                    await proxy.set(befalls, bad if ill.tls else None)
                else:
                    proxy.turn(befalls)
                if stopped:
                    await asyncio.sleep(0.05)
                    await stopped_again(working)
                else:
                    with pytest.raises(PluginError):
                        await working
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
