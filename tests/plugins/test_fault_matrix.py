"""Every remote × every fault, each at the start, in mid-stream and at the stop: an error in time, and nothing is left.

What is done with a remote (each call of Azure's, each codec of a stream) is done at once, each by a plugin of its own
through a proxy of its own, where it is counted whether the fault has befallen a connection. What each says is in the
tests of each plugin, and so is what a USB camera can do wrong (missing, no camera, used by others, unplugged, hanging
in its driver): it has neither statuses nor TLS.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
import trustme
import voluptuous as vol

from hub.plugin import CameraSpec, NeedsHuman, NotReady, PluginError
from hub.plugin.testing import nothing_left_running
from plugins.cameras import http_snapshot, rtsp
from plugins.recognizers.azure_face.recogniser import AzureFace
from plugins.storage import s3
from plugins.storage.s3.storage import S3
from tests.plugins.cameras.http_snapshot.conftest import WebCamera
from tests.plugins.cameras.http_snapshot.conftest import serving as web_camera
from tests.support import azure, rtsp_server
from tests.support.azure import crop
from tests.support.azure.client import ManualClock, opened
from tests.support.context import make_context
from tests.support.fault_kinds import FAULTS, Counted, forward_http, forward_rtsp
from tests.support.rtsp_server import RtspServer
from tests.support.s3_servers import Fault, FaultProxy, Server, fault_proxy, rclone

Use = Callable[[], Awaitable[object]]
Open = Callable[[Path, str, str], AbstractAsyncContextManager[Use]]
"""From a folder, an endpoint and the fingerprint of its certificate."""
(RTSP,), (SNAPSHOT,), (BUCKETS,) = (plugin.fras_plugins() for plugin in (rtsp, http_snapshot, s3))
BUCKET = "lindenschule"
PATIENCE = 20.0
"""Seconds that a busy machine may add to a plugin's own time-outs."""


class Servers:
    """Servers that are well, one of each kind for all tests, and an authority that one certificate is of."""

    def __init__(self, camera: RtspServer, buckets: Server) -> None:
        self.authority = trustme.CA()
        self.camera = camera
        self.buckets = buckets

    def certificate(self, authority: trustme.CA) -> tuple[ssl.SSLContext, str]:
        """And its fingerprint."""
        made = authority.issue_cert("127.0.0.1")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.configure_cert(context)
        return context, sha256(ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())).hexdigest()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    kept = tmp_path_factory.mktemp("buckets") / BUCKET
    kept.mkdir()
    (kept / "there").write_bytes(b"x")
    with rtsp_server.serving() as camera, rclone(kept.parent) as buckets:
        yield Servers(camera, buckets)


class HurriedClock(ManualClock):
    """What is tried again in the background leaves this machine some time."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(min(seconds, 0.02))


@asynccontextmanager
async def recogniser(
    folder: Path, endpoint: str, pin: str, *, use: Callable[[AzureFace], Awaitable[object]]
) -> AsyncIterator[Use]:
    clock = HurriedClock()
    group = "".join(filter(str.isalnum, folder.name))
    async with opened(folder, endpoint, clock=clock, timeout="150 ms", group=group) as (identifier, _):

        async def once() -> None:
            await clock.sleep(600)
            await use(identifier)

        yield once


async def recognised(identifier: AzureFace) -> None:
    (candidates,) = await identifier.identify([crop("ada")])
    if not candidates:
        await identifier.enrol("ada", [crop("ada")])


async def enrolled(identifier: AzureFace) -> None:
    assert await identifier.enrol("ada", [crop("ada")]) == [""]
    await identifier.forget("ada")


async def forgotten(identifier: AzureFace) -> None:
    await identifier.forget("ada")
    await identifier.enrol("ada", [crop("ada")])


@asynccontextmanager
async def bucket(
    folder: Path, endpoint: str, pin: str, *, use: Callable[[S3], Awaitable[object]]
) -> AsyncIterator[Use]:
    """What is put finds no room on this machine's disk."""
    trust = {"ca_file": "ca.pem"} if endpoint.startswith("https") else {}
    config = vol.Schema(dict(BUCKETS.config_schema))(Server(endpoint).config(BUCKET, spool="1 kB", **trust))
    async with make_context(folder, instance_id="s3") as context, BUCKETS.open(config, context) as storage:
        yield partial(use, storage)


async def listed(storage: S3) -> None:
    assert "there" in [key async for key in storage.list()]


@asynccontextmanager
async def snapshot(folder: Path, endpoint: str, pin: str) -> AsyncIterator[Use]:
    trust = {"pin": pin} if endpoint.startswith("https") else {}
    async with camera(folder, SNAPSHOT, url=f"{endpoint}/open.jpg", **trust) as use:
        yield use


@asynccontextmanager
async def stream(folder: Path, endpoint: str, pin: str, *, codec: str) -> AsyncIterator[Use]:
    scheme, _, place = endpoint.partition("://")
    trust = {"ca": "ca.pem"} if scheme == "https" else {}
    url = f"{scheme.replace('http', 'rtsp')}://{place}/{codec}"
    async with camera(folder, RTSP, url=url, **trust) as use:
        yield use


@asynccontextmanager
async def camera(folder: Path, spec: CameraSpec, **config: str) -> AsyncIterator[Use]:
    given = {"timeout": "500 ms", "still_every": "0 s", "every": "10 ms", **config}
    checked = vol.Schema(dict(spec.config_schema))(given)
    async with make_context(folder) as context, spec.open(checked, context) as source:
        events = aiter(source.events())
        try:
            yield lambda: anext(events)
        finally:
            await events.aclose()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Remote:
    """`within`: seconds that an error may take by the plugin's own time-outs. `parks`: faults, with their moment, that
    only a person can mend; of the others, and always of the uses in `retried`, it is said that they may pass."""

    within: float
    uses: Mapping[str, Open]
    parks: frozenset[tuple[str, str]]
    retried: frozenset[str] = frozenset()


REMOTES = {
    "azure_face": Remote(
        4.0,  # at most, as `enrol` does after a call that may have been carried out: four calls, four times each
        {
            "people": partial(recogniser, use=AzureFace.people),
            "identify": partial(recogniser, use=recognised),
            "enrol": partial(recogniser, use=enrolled),
            "forget": partial(recogniser, use=forgotten),
        },
        frozenset({("4xx", "start"), ("4xx", "middle")}),
    ),
    "s3": Remote(
        1.0,  # LONGEST_CALL of `hasty`, and a step on a socket
        {
            "get": partial(bucket, use=lambda storage: storage.get("there")),
            "put": partial(bucket, use=lambda storage: storage.put("new", bytes(2000))),
            "delete": partial(bucket, use=lambda storage: storage.delete("gone")),
            "list": partial(bucket, use=listed),
        },
        frozenset({("4xx", "start"), ("4xx", "middle"), ("tls", "start")}),
        retried=frozenset({"put"}),  # this machine's disk may have room again
    ),
    "rtsp": Remote(
        1.0,  # the time-out, and the last moment
        {codec: partial(stream, codec=codec) for codec in ("h264", "h265", "mjpeg")},
        frozenset({("4xx", "start")}),
    ),
    "http_snapshot": Remote(0.5, {"picture": snapshot}, frozenset({("4xx", "start"), ("tls", "start")})),
}


@asynccontextmanager
async def upstream_of(remote: str, servers: Servers) -> AsyncIterator[str]:
    if remote == "azure_face":
        async with azure.serving() as fake:
            yield fake.endpoint
    elif remote == "http_snapshot":
        async with web_camera(WebCamera()) as address:
            yield address
    else:
        yield servers.buckets.endpoint if remote == "s3" else f"http://127.0.0.1:{servers.camera.port}"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, servers: Servers) -> None:
    """Nobody waits for long, a busy disk included, and Azure's certificate may be of the test's authority."""
    from plugins.storage.s3 import bucket, line

    for module, name, value in (
        (bucket, "ATTEMPTS", 1), (bucket, "READ", 0.4), (line, "LONGEST_CALL", 0.6),
        (line, "FIRST_WAIT", 0.01), (line, "LONGEST_WAIT", 0.01),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("os.fsync", lambda file: None)
    trusting = ssl.create_default_context()
    servers.authority.configure_trust(trusting)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)


@dataclass(frozen=True)
class Way:
    """What the proxy does while all is well, and its certificate then; the fault at first and later, and `bad`, the
    certificate that is a fault."""

    forward: Fault
    good: ssl.SSLContext | None
    first: Counted | None
    later: Counted | None
    bad: ssl.SSLContext | None


class Ordeal:
    """One use of a remote through a proxy that is well, or else ill."""

    def __init__(
        self, remote: Remote, use: str, fault: str, folder: Path, pin: str, proxy: FaultProxy, way: Way
    ) -> None:
        self._remote = remote
        self._use = use
        self._fault = fault
        self._folder = folder
        self._pin = pin
        self._proxy = proxy
        self._way = way
        self._working: asyncio.Task[None] | None = None

    async def ill_at_the_start(self) -> None:
        await self._proxy.set(self._way.first.befall if self._way.first else None, self._way.bad)
        async with asyncio.timeout(self._remote.within + PATIENCE):
            with pytest.raises(self._meaning("start")):
                await self._go_on()
        assert self._way.first is None or self._way.first.times

    async def ill_in_mid_stream(self) -> None:
        working = await self._struck_at_work()
        async with asyncio.timeout(self._remote.within + PATIENCE):
            with pytest.raises(self._meaning("middle")):
                await working

    async def ill_at_the_stop(self) -> None:
        working = await self._struck_at_work()
        await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE):
            await stopped_again(working)

    async def end(self) -> None:
        while self._proxy.open:
            await asyncio.sleep(0.02)

    async def give_up(self) -> None:
        """After a test that failed; else nothing is at work any more."""
        if self._working and not self._working.done():
            await stopped_again(self._working)

    def _meaning(self, moment: str) -> type[PluginError]:
        parked = (self._fault, moment) in self._remote.parks and self._use not in self._remote.retried
        return NeedsHuman if parked else NotReady

    async def _struck_at_work(self) -> asyncio.Task[None]:
        """It is tried again where it ended before the fault could be told."""
        while True:
            working = await self._at_work()
            assert self._proxy.open
            if self._way.later is None:
                await self._proxy.set(None)
                return working
            before = self._way.later.times
            self._proxy.turn(self._way.later.befall)
            while self._way.later.times == before and not working.done():
                await asyncio.sleep(0.005)
            if self._way.later.times > before:
                return working
            await stopped_again(working)

    async def _at_work(self) -> asyncio.Task[None]:
        """It has been used; that is tried again where this machine is too busy for its short time-outs."""
        await self._proxy.set(self._way.forward, self._way.good)
        while True:
            used = asyncio.Event()
            self._working = working = asyncio.create_task(self._go_on(used))
            begun = asyncio.create_task(used.wait())
            await asyncio.wait([working, begun], return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                return working
            begun.cancel()
            with suppress(PluginError):
                await working

    async def _go_on(self, used: asyncio.Event | None = None) -> None:
        """Once; with `used` again and again."""
        async with self._remote.uses[self._use](self._folder, self._proxy.endpoint, self._pin) as use:
            await use()
            while used is not None:
                used.set()
                await use()


async def stopped_again(working: asyncio.Task[None]) -> None:
    working.cancel()
    with suppress(asyncio.CancelledError, PluginError):
        await working


@asynccontextmanager
async def ordeals(name: str, fault: str, servers: Servers, folder: Path) -> AsyncIterator[list[Ordeal]]:
    """Of each use of the remote."""
    remote, ill = REMOTES[name], FAULTS[fault]
    good, pin = servers.certificate(servers.authority)
    first, later = (ill.rtsp, ill.streaming) if name == "rtsp" else (ill.http, ill.http)
    all_of_them = []
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(upstream_of(name, servers))
        for use in remote.uses:
            own = folder / use
            own.mkdir()
            servers.authority.cert_pem.write_to_path(str(own / "ca.pem"))
            bad, _ = servers.certificate(trustme.CA())
            way = Way(
                forward_rtsp if name == "rtsp" else forward_http,
                good if ill.tls else None,
                Counted(first, ill.silent) if first else None,
                Counted(later, ill.silent) if later else None,
                bad if ill.tls else None,
            )
            if way.bad and way.first:
                way.bad.sni_callback = way.first.greeted
            proxy = await stack.enter_async_context(fault_proxy(upstream, way.good))
            all_of_them.append(Ordeal(remote, use, fault, own, pin, proxy, way))
        try:
            yield all_of_them
        finally:
            for ordeal in all_of_them:
                await ordeal.give_up()


async def each(these: Sequence[Ordeal], what: Callable[[Ordeal], Awaitable[None]]) -> None:
    """At once."""
    async with asyncio.timeout(3 * PATIENCE), asyncio.TaskGroup() as group:
        for ordeal in these:
            group.create_task(_awaited(what(ordeal)))


async def _awaited(coming: Awaitable[None]) -> None:
    await coming


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("remote", REMOTES)
async def test_at_the_start_in_mid_stream_and_at_the_stop(
    remote: str, fault: str, servers: Servers, hasty: None, tmp_path: Path
) -> None:
    process = psutil.Process()
    async with ordeals(remote, fault, servers, tmp_path) as these:
        held = process.num_fds()
        async with nothing_left_running():
            await each(these, Ordeal.ill_at_the_start)
            await each(these, Ordeal.ill_in_mid_stream)
            await each(these, Ordeal.ill_at_the_stop)
            async with asyncio.timeout(PATIENCE):
                await each(these, Ordeal.end)
                while process.num_fds() > held:
                    await asyncio.sleep(0.02)
                    gc.collect()  # a connection whose call was cut goes with the exception that it is in
