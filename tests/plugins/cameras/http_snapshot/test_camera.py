"""The http_snapshot camera before real web servers: logins, certificates, conditions and every kind of refusal."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
import voluptuous as vol

from hub.plugin import CameraEvent, Frame, Heartbeat, NeedsHuman, NotReady, Permanent, PluginError
from hub.plugin.testing import nothing_left_running
from plugins.cameras.http_snapshot import fras_plugins
from tests.support.context import make_context
from tests.support.rtsp_server import drip, garbage, hang, misbehaving

from .conftest import PASSWORD, USER, WebCamera, jpeg, serving

(SNAPSHOT,) = fras_plugins()
SECRET = "hunter2"


def config(url: str, **more: Any) -> dict[str, Any]:
    checked: dict[str, Any] = vol.Schema(dict(SNAPSHOT.config_schema))(
        {"url": url, "every": "5 ms", "still_every": "0 s", "timeout": "10 s", **more}
    )
    return checked


@asynccontextmanager
async def events(folder: Path, url: str, **more: Any) -> AsyncIterator[AsyncIterator[CameraEvent]]:
    async with make_context(folder) as context, SNAPSHOT.open(config(url, **more), context) as camera:
        yield camera.events()


async def fault(folder: Path, url: str, **more: Any) -> PluginError:
    async with asyncio.timeout(60), nothing_left_running():
        with pytest.raises(PluginError) as raised:
            async with events(folder, url, **more):
                pass
    assert SECRET not in str(raised.value)
    assert SECRET not in str(raised.value.__cause__)
    return raised.value


async def test_pictures_go_on_as_they_are(tmp_path: Path, web_camera: WebCamera) -> None:
    async with serving(web_camera) as address, events(tmp_path, f"{address}/open.jpg") as stream:
        taken = [event async for event in first(stream, 4)]
    assert [event.image for event in taken if isinstance(event, Frame)] == [jpeg(0), jpeg(1), jpeg(2)]


async def first(stream: AsyncIterator[CameraEvent], number: int) -> AsyncIterator[CameraEvent]:
    for _ in range(number):
        yield await anext(stream)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
@pytest.mark.parametrize("where", ["url", "keys"])
async def test_logs_in_as_the_camera_asks(
    tmp_path: Path, web_camera: WebCamera, scheme: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(web_camera) as address:
        url, more = f"{address}/{scheme}.jpg?channel=1", {"user": USER, "password": PASSWORD}
        if where == "url":
            url, more = url.replace("://", f"://{USER}:{quote(PASSWORD, safe='')}@"), {}
        async with events(tmp_path, url, **more) as stream:
            async for _ in first(stream, 3):
                pass
    assert web_camera.asked.count(401) == 1, "the login is asked for once"
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_wrong_login_needs_a_person(tmp_path: Path, web_camera: WebCamera, scheme: str) -> None:
    async with serving(web_camera) as address:
        error = await fault(tmp_path, f"{address}/{scheme}.jpg", user=USER, password=SECRET)
        assert isinstance(error, NeedsHuman)
        assert "does not accept" in error.message
        error = await fault(tmp_path, f"{address}/{scheme}.jpg")
        assert "asks for a user" in error.message


def _log_in(url: str) -> int:
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, USER, PASSWORD)
    handlers = urllib.request.HTTPDigestAuthHandler(passwords), urllib.request.HTTPBasicAuthHandler(passwords)
    with urllib.request.build_opener(*handlers).open(url, timeout=5) as answer:
        return int(answer.status)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_the_stand_in_takes_other_clients(web_camera: WebCamera, scheme: str) -> None:
    async with serving(web_camera) as address:
        assert await asyncio.to_thread(_log_in, f"{address}/{scheme}.jpg") == 200


async def test_an_unchanged_picture_is_not_fetched_again(tmp_path: Path, web_camera: WebCamera) -> None:
    web_camera.tag = '"1"'
    async with serving(web_camera) as address, events(tmp_path, f"{address}/open.jpg") as stream:
        assert isinstance(await anext(stream), Frame)
        assert isinstance(await anext(stream), Heartbeat)
        waiting = asyncio.ensure_future(anext(stream))
        while web_camera.asked.count(304) < 3:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        web_camera.tag = '"2"'
        changed = await waiting
    assert isinstance(changed, Frame)
    assert changed.image == jpeg(1)


async def test_a_damaged_picture_now_and_then_is_left_out(tmp_path: Path, web_camera: WebCamera) -> None:
    web_camera.picture = lambda number: jpeg(number)[:900] if number % 2 else jpeg(number)
    async with serving(web_camera) as address, events(tmp_path, f"{address}/open.jpg") as stream:
        taken = [event async for event in first(stream, 4)]
    assert [event.image for event in taken if isinstance(event, Frame)] == [jpeg(0), jpeg(2), jpeg(4)]


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (lambda number: jpeg(number)[:900], "damaged"),
        (lambda number: b"\xff\xd8\xff" + os.urandom(5000), "damaged"),
        (lambda number: b"\x89PNG\r\n\x1a\n", "not with a JPEG"),
        (lambda number: b"", "nothing"),
    ],
    ids=["cut off", "nonsense", "png", "empty"],
)
async def test_what_is_no_picture(
    tmp_path: Path, web_camera: WebCamera, picture: Callable[[int], bytes], said: str
) -> None:
    web_camera.picture = picture
    async with serving(web_camera) as address:
        error = await fault(tmp_path, f"{address}/open.jpg")
    assert isinstance(error, NotReady)
    assert said in error.message


async def test_pages_streams_and_redirects_are_told_apart(tmp_path: Path, web_camera: WebCamera) -> None:
    async with serving(web_camera) as address:
        assert "text/html" in (await fault(tmp_path, f"{address}/page.jpg")).message
        endless = await fault(tmp_path, f"{address}/endless.jpg", largest="1 MB")
        assert "more than 1 MB" in endless.message
        moved = await fault(tmp_path, f"{address}/moved.jpg")
        assert isinstance(moved, NeedsHuman)
        assert moved.message.endswith("points elsewhere: https://elsewhere.example/new.jpg?…")
        missing = await fault(tmp_path, f"{address}/missing.jpg?pwd={SECRET}")
        assert isinstance(missing, NeedsHuman)


def answering(status: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()

    return answer


async def dripping_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n")
    await drip(reader, writer)


async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n" + jpeg(1))
    await writer.drain()


@pytest.mark.parametrize(
    ("behave", "meaning"),
    [
        (hang, NotReady), (drip, NotReady), (garbage, NotReady), (dripping_body, NotReady), (cut_off, NotReady),
        (answering("400 Bad"), NotReady), (answering("403 Forbidden"), NeedsHuman), (answering("410 Gone"), NeedsHuman),
        (answering("429 Slow"), NotReady), (answering("500 Oops"), NotReady), (answering("503 Busy"), NotReady),
        (answering("304 Same"), NotReady), (answering("302 Found"), NeedsHuman),
    ],
    ids=["hang", "drip", "garbage", "dripping body", "cut off", "400", "403", "410", "429", "500", "503", "304", "302"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_faults(tmp_path: Path, behave: Any, meaning: type[PluginError], scheme: str) -> None:
    timeout = "500 ms" if scheme == "https" or behave in (hang, drip, dripping_body) else "10 s"
    async with misbehaving(behave) as port:
        error = await fault(tmp_path, f"{scheme}://admin:{SECRET}@127.0.0.1:{port}/x.jpg?pwd={SECRET}", timeout=timeout)
    assert isinstance(error, NotReady if scheme == "https" else meaning)
    assert error.message.startswith(f"{scheme}://127.0.0.1:{port}/x.jpg?… ")


async def test_nobody_there(tmp_path: Path) -> None:
    for host in ("127.0.0.1:1", "no-such-camera.invalid"):
        error = await fault(tmp_path, f"http://admin:{SECRET}@{host}/x.jpg")
        assert "cannot be reached" in error.message


async def test_certificates(tmp_path: Path, web_camera: WebCamera) -> None:
    certificate = trustme.CA().issue_cert("camera.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    pin = hashlib.sha256(der).hexdigest()
    async with serving(web_camera, context) as address:
        url = f"{address}/open.jpg"
        unknown = await fault(tmp_path, url)
        assert isinstance(unknown, NeedsHuman)
        assert pin.upper() in unknown.hint.replace(":", "")
        assert web_camera.asked == []
        wrong = await fault(tmp_path, url, pin="00" * 32)
        assert "another certificate" in wrong.message
        assert web_camera.asked == []
        for more in ({"pin": pin}, {"pin": pin.upper()}, {"verify": False}):
            async with events(tmp_path, url, **more) as stream:
                assert isinstance(await anext(stream), Frame)


async def test_an_address_that_worked_may_come_back_another_needs_a_person(
    tmp_path: Path, web_camera: WebCamera
) -> None:
    """As while a camera starts, whose web server is there before its pictures are."""
    async with serving(web_camera) as address:
        assert isinstance(await fault(tmp_path, f"{address}/late.jpg"), NeedsHuman)
        web_camera.started = True
        async with events(tmp_path, f"{address}/late.jpg") as stream:
            await anext(stream)
            web_camera.started = False
            with pytest.raises(NotReady, match="is not there"):
                async for _ in stream:
                    pass
        assert isinstance(await fault(tmp_path, f"{address}/late.jpg"), NotReady)
        assert isinstance(await fault(tmp_path, f"{address}/never.jpg"), NeedsHuman)


async def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    for more in ({"pin": "00" * 32, "verify": False}, {"user": "a:b", "password": "x"}):
        assert isinstance(await fault(tmp_path, "https://127.0.0.1:1/x.jpg", **more), Permanent)


async def test_the_probe_says_what_there_is(tmp_path: Path, web_camera: WebCamera) -> None:
    async with serving(web_camera) as address, make_context(tmp_path) as context:
        assert SNAPSHOT.probe is not None
        said = await SNAPSHOT.probe(config(f"{address}/open.jpg?pwd={SECRET}"), context)
    assert said == f"{address}/open.jpg?…: JPEG of {len(jpeg(0)) / 1000:.0f} kB"


@pytest.mark.parametrize("pin", ["", "abc", "00" * 31, "zz" * 32])
def test_a_fingerprint_has_64_digits(pin: str) -> None:
    with pytest.raises(vol.Invalid):
        config("https://camera/x.jpg", pin=pin)
