"""The rtsp camera before a real RTSP server that is stopped, stalls, changes its picture and asks for a password."""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest
import trustme
import voluptuous as vol
from PIL import Image

from hub.plugin import CameraEvent, Frame, NeedsHuman, NotReady, Permanent
from hub.plugin.live import address
from hub.runtime.limits import Limits
from hub.runtime.supervisor import Supervisor
from plugins.cameras.rtsp import camera, fras_plugins
from plugins.cameras.rtsp.camera import connect, explain
from plugins.cameras.rtsp.options import LONGEST_LOGIN
from tests.support.context import make_context
from tests.support.plugins import surroundings
from tests.support.rtsp_server import RtspServer, answering, faulty_after, hang, message, misbehaving, serving

(RTSP,) = fras_plugins()
PASSWORD = "p@s:s/w#r%d?"
ENCODED = "p%40s%3As%2Fw%23r%25d%3F"


def config(url: str, **more: Any) -> dict[str, Any]:
    checked: dict[str, Any] = vol.Schema(dict(RTSP.config_schema))(
        {"url": url, "every": "50 ms", "still_every": "0 s", "timeout": "10 s", **more}
    )
    return checked


@asynccontextmanager
async def frames(folder: Path, url: str, **more: Any) -> AsyncIterator[AsyncIterator[Frame]]:
    async with make_context(folder) as context, RTSP.open(config(url, **more), context) as camera:
        yield (event async for event in camera.events() if isinstance(event, Frame))


async def exhausted(stream: AsyncIterator[Frame]) -> None:
    async for _ in stream:
        pass


def size(frame: Frame) -> tuple[int, int]:
    with Image.open(io.BytesIO(frame.image)) as image:
        image.load()
        return image.size


@pytest.mark.parametrize("path", ["/h264", "/h265", "/mjpeg", "/h264?key=600", "/h264?sound=1"])
async def test_every_codec_gives_pictures(tmp_path: Path, server: RtspServer, path: str) -> None:
    async with frames(tmp_path, server.url(path)) as stream:
        taken = [await anext(stream) for _ in range(3)]
    assert {size(frame) for frame in taken} == {(320, 240)}
    assert [frame.captured_at for frame in taken] == sorted(frame.captured_at for frame in taken)


@pytest.mark.parametrize("path", ["/h264", "/h265", "/mjpeg"])
async def test_the_resolution_may_change(tmp_path: Path, server: RtspServer, path: str) -> None:
    async with frames(tmp_path, server.url(path)) as stream, asyncio.timeout(60):
        assert size(await anext(stream)) == (320, 240)
        server.resize(640, 360)
        while size(await anext(stream)) != (640, 360):
            pass


@pytest.mark.parametrize("fault", [RtspServer.kick, RtspServer.kill], ids=lambda f: f.__name__)
async def test_what_ends_the_stream_is_not_for_ever(tmp_path: Path, fault: Callable[[RtspServer], None]) -> None:
    with serving() as server:
        async with frames(tmp_path, server.url("/mjpeg"), timeout="2 s") as stream, asyncio.timeout(60):
            await anext(stream)
            fault(server)
            with pytest.raises(NotReady, match=r"ended the stream|cannot be reached"):
                await exhausted(stream)


async def test_comes_back_after_a_stall_and_with_another_codec_and_size_under_new_numbers(tmp_path: Path) -> None:
    """As after a camera's firmware update, through the hub's own supervisor."""
    events: asyncio.Queue[CameraEvent] = asyncio.Queue()

    async def deliver(camera: str, event: CameraEvent) -> None:
        events.put_nowait(event)

    async def next_frame(of: tuple[int, int]) -> Frame:
        while True:
            event = await events.get()
            if isinstance(event, Frame) and size(event) == of:
                return event

    limits = Limits(first_retry=0.05, longest_retry=0.2)
    async with Supervisor(surroundings(tmp_path), limits=limits) as supervisor, asyncio.timeout(60):
        with serving(live="mjpeg?size=160x120") as server:
            supervisor.start_camera("door", RTSP, config(server.url("/live"), timeout="2 s"), deliver)
            taken = [await next_frame((160, 120))]
        with serving(port=server.port, live="h264?size=320x240"):
            taken.append(await next_frame((320, 240)))
        with serving(port=server.port, live="h265?size=176x144") as server:
            taken.append(await next_frame((176, 144)))
            server.stall()
            while not supervisor.health["door"].state.down:
                await asyncio.sleep(0.02)
            assert "nothing for 2 s" in supervisor.health["door"].last_error
            server.go_on()
            while taken[-1].epoch == taken[-2].epoch or len(taken) == 3:
                taken.append(await next_frame((176, 144)))
    epochs = [frame.epoch for frame in taken]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 4


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_password_is_given_and_never_shown(
    tmp_path: Path, scheme: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    with serving(login=f"ad min:{PASSWORD}", scheme=scheme) as server:
        for login, more in [
            (f"ad%20min:{ENCODED}@", {}),
            (f"ad min:{PASSWORD.replace('%', '%25')}@", {}),
            ("", {"user": "ad min", "password": PASSWORD}),
        ]:
            async with frames(tmp_path, server.url("/mjpeg", login), **more) as stream:
                await anext(stream)
            async with make_context(tmp_path) as context:
                assert RTSP.probe is not None
                said.append(await RTSP.probe(config(server.url("/mjpeg", login), **more), context))
        for login in ("", f"ad%20min:{ENCODED}x@"):
            with pytest.raises(NeedsHuman, match="user and") as refused:
                async with frames(tmp_path, server.url("/mjpeg", login)):
                    pass
            said.append(str(refused.value))
        assert said[0] == f"{server.url('/…')}: MJPEG 320×240, 10 frames/s"
    written = "\n".join([caplog.text, *capfd.readouterr(), *said])
    assert "w#r" not in written
    assert ENCODED not in written
    assert "p@s" not in written


@pytest.mark.parametrize(
    ("status", "said"),
    [("404 Not Found", "no such path"), ("403 Forbidden", "forbids it"), ("302 Found", "points elsewhere")],
)
async def test_an_address_that_worked_may_come_back_another_needs_a_person(
    tmp_path: Path, server: RtspServer, status: str, said: str
) -> None:
    gone = True

    async def sometimes_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (answering(status) if gone else faulty_after(1 << 40, server.port, hang))(reader, writer)

    async def refusal(url: str) -> type[Exception]:
        with pytest.raises((NeedsHuman, NotReady), match=said) as refused:
            async with frames(tmp_path, url):
                pass
        return refused.type

    async with misbehaving(sometimes_gone) as port:
        url = f"rtsp://127.0.0.1:{port}/mjpeg"
        assert await refusal(url) is NeedsHuman
        gone = False
        async with frames(tmp_path, url) as stream:
            await anext(stream)
        gone = True
        assert await refusal(url) is NotReady
        assert await refusal(f"{url}-2") is NeedsHuman


async def test_a_refused_login_needs_a_person_even_where_it_worked() -> None:
    """Trying again would lock the account."""
    where = address("rtsp")("rtsp://admin:x@camera/live")
    error = av.error.HTTPUnauthorizedError(0, "")
    assert isinstance(explain(error, where, worked=True), NeedsHuman)


async def test_a_probe_in_the_middle_of_a_long_gop_says_what_to_set(
    tmp_path: Path, server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Between(AbstractContextManager[Any]):
        """The same stream as after its key frame."""

        def __init__(self, *given: Any) -> None:
            self._container = connect(*given)
            self.streams = self._container.streams

        def demux(self, stream: Any) -> Iterator[Any]:
            packet = next(self._container.demux(stream))
            packet.is_keyframe = False
            while True:
                time.sleep(0.05)
                yield packet

        def __exit__(self, *_: object) -> None:
            self._container.close()

    monkeypatch.setattr(camera, "PROBING", -10)
    monkeypatch.setattr(camera, "connect", Between)
    said = r"connected \(H264 320×240.* no key frame for \d+ s; shorten the key-frame interval"
    async with make_context(tmp_path) as context:
        assert RTSP.probe is not None
        with pytest.raises(NotReady, match=said):
            await RTSP.probe(config(server.url("/h264")), context)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "rtsp://a:b@camera/", "user": "a"}, "given twice"),
        ({"password": "x"}, "has a password and no user"),
        ({"user": "a", "password": "ö" * 21}, "too long"),
        ({"url": "rtsps://camera/", "ca": "school.pem", "verify": False}, "`ca` that is not looked at"),
        ({"ca": "school.pem"}, "`ca` that is not looked at"),
    ],
)
def test_what_does_not_go_together_is_found_without_a_network(more: dict[str, Any], says: str) -> None:
    assert RTSP.check is not None
    with pytest.raises(Permanent, match=says):
        RTSP.check(config(**{"url": "rtsp://camera/", **more}))


@pytest.mark.parametrize(
    "bad", [{"every": "0 s"}, {"every": "11 min"}, {"timeout": "0 s"}, {"timeout": "5 min"}, {"quality": 49}]
)
def test_nonsense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid, match="out of range"):
        config("rtsp://camera/", **bad)


async def test_the_longest_login_arrives_whole(tmp_path: Path) -> None:
    login = "admin:" + "p" * (LONGEST_LOGIN - len("admin:"))
    heard: list[bytes] = []

    async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await message(reader))
        writer.write(b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n')
        heard.append(await message(reader))

    user, _, password = login.partition(":")
    async with misbehaving(camera) as port:
        with pytest.raises(NotReady):
            async with frames(tmp_path, f"rtsp://127.0.0.1:{port}/", user=user, password=password):
                pass
    assert b"Authorization" not in heard[0]
    assert b64encode(login.encode()) in heard[1]


async def test_rtsps_goes_by_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "school.pem"))
    async with misbehaving(answering("404 Not Found"), tls=context) as port:
        url = f"rtsps://127.0.0.1:{port}/live"
        for more, meaning in [
            ({}, "nobody vouches"),
            ({"ca": "school.pem"}, "no such path"),
            ({"verify": False}, "no such path"),
            ({"ca": "missing.pem"}, "missing.pem is not there"),
        ]:
            with pytest.raises((NotReady, NeedsHuman), match=meaning):
                async with frames(tmp_path, url, **more):
                    pass
