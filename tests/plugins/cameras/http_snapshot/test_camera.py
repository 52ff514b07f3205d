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

from hub.plugin import CameraEvent, Frame, Heartbeat, NeedsHuman, NotReady, Permanent, PluginError, testing
from hub.plugin.testing import nothing_left_running
from plugins.cameras.http_snapshot import fras_plugins
from tests.support.context import ManualClock, make_context
from tests.support.rtsp_server import drip, garbage, hang, misbehaving

from .conftest import BASIC, PASSWORD, USER, WebCamera, digest, jpeg, serving

(SNAPSHOT,) = fras_plugins()
SECRET = "hunter2"


def config(url: str, **more: Any) -> dict[str, Any]:
    checked: dict[str, Any] = vol.Schema(dict(SNAPSHOT.config_schema))(
        {"url": url, "every": "10 ms", "still_every": "0 s", "timeout": "10 s", **more}
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


OFFERS = {
    "basic first": [BASIC, digest()],
    "digest first": [digest(), BASIC],
    "in one header, basic first": [f"{BASIC}, {digest()}"],
    "in one header, digest first": [f"{digest()},{BASIC}"],
    "a digest nobody computes first": [digest("SHA-512-256"), digest(), BASIC],
    "digest of the body": [BASIC, digest(qop="auth-int")],
    "in small letters": [BASIC.lower(), digest().replace("Digest", "digest")],
}


@pytest.mark.parametrize("offers", OFFERS.values(), ids=OFFERS)
async def test_no_password_goes_out_readable_where_digest_is_offered(
    tmp_path: Path, web_camera: WebCamera, offers: list[str]
) -> None:
    web_camera.offers = offers
    login = {"user": USER, "password": PASSWORD}
    async with serving(web_camera) as address, events(tmp_path, f"{address}/asks.jpg", **login) as stream:
        async for _ in first(stream, 3):
            pass
    assert {header.partition(" ")[0] for header in web_camera.shown} == {"Digest"}
    assert web_camera.asked.count(401) == 1


@pytest.mark.parametrize(
    ("offers", "kind"),
    [
        ([BASIC, digest("SHA-512-256")], "a kind of digest that FRAS does not know (SHA-512-256)"),
        ([digest(qop="other"), BASIC], "a kind of digest that FRAS does not know (qop other)"),
        ([f'{BASIC}, Digest realm="camera"'], "a kind of digest that FRAS does not know (incomplete)"),
        (["NTLM", "Negotiate"], "a login that FRAS does not know (ntlm, negotiate)"),
    ],
)
async def test_a_login_that_cannot_be_done_is_named_and_no_password_sent(
    tmp_path: Path, web_camera: WebCamera, offers: list[str], kind: str
) -> None:
    web_camera.offers = offers
    async with serving(web_camera) as address:
        error = await fault(tmp_path, f"{address}/asks.jpg", user=USER, password=SECRET)
    assert isinstance(error, NeedsHuman)
    assert error.message == f"{address}/… asks for {kind}"
    assert "the password was not sent" in error.hint
    assert web_camera.shown == []


async def test_a_camera_that_is_switched_to_digest_gets_no_basic_any_more(
    tmp_path: Path, web_camera: WebCamera
) -> None:
    web_camera.offers = [BASIC]
    login = {"user": USER, "password": PASSWORD}
    async with serving(web_camera) as address, events(tmp_path, f"{address}/asks.jpg", **login) as stream:
        await anext(stream)
        assert web_camera.shown.pop().startswith("Basic")
        web_camera.offers = [digest()]
        async for _ in first(stream, 4):
            pass
    basic, *after = web_camera.shown
    assert basic.startswith("Basic")
    assert {header.partition(" ")[0] for header in after} == {"Digest"}


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


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"200 OK\r\nContent-Type: text/\x1b[31m\xff", "answers with text/?[31m?, not with a JPEG"),
        (b"401 No\r\nWWW-Authenticate: Digest algorithm=\x1b[2J\x07\xfe", "does not know (?[2J??)"),
    ],
)
async def test_nothing_that_a_camera_writes_takes_over_a_terminal_or_a_log(
    tmp_path: Path, head: bytes, said: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + head + b"\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
        await writer.drain()

    async with misbehaving(answer) as port:
        error = await fault(tmp_path, f"http://127.0.0.1:{port}/x.jpg", user=USER, password=SECRET)
    assert said in error.message


async def test_pages_streams_and_redirects_are_told_apart(tmp_path: Path, web_camera: WebCamera) -> None:
    async with serving(web_camera) as address:
        assert "text/html" in (await fault(tmp_path, f"{address}/page.jpg")).message
        endless = await fault(tmp_path, f"{address}/endless.jpg", largest="1 MB")
        assert "more than 1 MB" in endless.message
        moved = await fault(tmp_path, f"{address}/moved.jpg")
        assert isinstance(moved, NeedsHuman)
        assert moved.message.endswith("points elsewhere: https://elsewhere.example/…")
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
    assert error.message.startswith(f"{scheme}://127.0.0.1:{port}/… ")


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


@pytest.mark.parametrize(
    ("status", "said"), [(404, "is not there"), (403, "forbids it"), (302, "points elsewhere: http")]
)
async def test_an_address_that_worked_may_come_back_another_needs_a_person(
    tmp_path: Path, web_camera: WebCamera, status: int, said: str
) -> None:
    """As while a camera starts, whose web server is there before its pictures are, or which has too many viewers."""
    web_camera.before = status
    async with serving(web_camera) as address:
        assert isinstance(await fault(tmp_path, f"{address}/late.jpg"), NeedsHuman)
        web_camera.started = True
        async with events(tmp_path, f"{address}/late.jpg") as stream:
            await anext(stream)
            web_camera.started = False
            with pytest.raises(NotReady, match=said):
                async for _ in stream:
                    pass
        assert isinstance(await fault(tmp_path, f"{address}/late.jpg"), NotReady)
        assert isinstance(await fault(tmp_path, f"{address}/late.jpg?other"), NeedsHuman)


async def test_a_refused_login_needs_a_person_even_where_it_worked(tmp_path: Path, web_camera: WebCamera) -> None:
    """Trying again would lock the account."""
    web_camera.before, web_camera.started = 401, True
    async with serving(web_camera) as address, events(tmp_path, f"{address}/late.jpg") as stream:
        await anext(stream)
        web_camera.started = False
        with pytest.raises(NeedsHuman, match="asks for a user"):
            async for _ in stream:
                pass


async def test_what_is_slow_is_told_from_what_is_away(tmp_path: Path) -> None:
    told = {}
    for behave, timeout in ((hang, "100 ms"), (dripping_body, "1 s")):
        async with misbehaving(behave) as port:
            told[behave] = (await fault(tmp_path, f"http://127.0.0.1:{port}/x.jpg", timeout=timeout)).message
    assert told[hang].endswith(" does not answer within 0.1 s")
    assert told[dripping_body].endswith(" answers, and has not sent its picture within 1 s")


async def test_damaged_pictures_hold_up_the_opening_for_two_seconds_at_most(
    tmp_path: Path, web_camera: WebCamera
) -> None:
    web_camera.picture = lambda number: jpeg(number)[:900]
    clock = ManualClock()
    async with serving(web_camera) as address, testing.make_context(tmp_path, clock=clock) as context:
        with pytest.raises(NotReady, match="damaged"):
            async with SNAPSHOT.open(config(f"{address}/open.jpg", every="10 min", timeout="4 min"), context):
                pass
        assert clock.slept == [1, 1]
        assert len(context.said) == 2, "three times the longest `timeout` is longer than the hub waits for a sign"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"user": "a:b", "password": "x"}, "holds a colon"),
        ({"password": SECRET}, "has a password and no user"),
        ({"url": f"http://:{SECRET}@camera/x.jpg"}, "has a password and no user"),
        ({"url": f"http://admin:{SECRET}@camera/x.jpg", "user": "admin"}, "given twice"),
        ({"pin": "00" * 32, "verify": False}, "would ignore"),
        ({"url": "http://camera/x.jpg", "pin": "00" * 32}, "http shows no certificate"),
    ],
)
async def test_settings_that_contradict_each_other(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    assert SNAPSHOT.check is not None
    given = {"url": "https://127.0.0.1:1/x.jpg", **more}
    with pytest.raises(Permanent, match=says) as raised:
        SNAPSHOT.check(config(**given))
    assert SECRET not in str(raised.value)
    assert isinstance(await fault(tmp_path, **given), Permanent)
    SNAPSHOT.check(config("http://admin@camera/x.jpg"))


@pytest.mark.parametrize(
    ("key", "wrong"), [("every", "0 s"), ("every", "11 min"), ("timeout", "0 s"), ("timeout", "5 min")]
)
def test_durations_that_make_no_sense(key: str, wrong: str) -> None:
    with pytest.raises(vol.Invalid, match="out of range"):
        config("http://camera/x.jpg", **{key: wrong})


async def test_the_probe_says_what_there_is(tmp_path: Path, web_camera: WebCamera) -> None:
    async with serving(web_camera) as address, make_context(tmp_path) as context:
        assert SNAPSHOT.probe is not None
        said = await SNAPSHOT.probe(config(f"{address}/open.jpg?pwd={SECRET}"), context)
    assert said == f"{address}/…: JPEG of {len(jpeg(0)) / 1000:.0f} kB"


@pytest.mark.parametrize("pin", ["", "abc", "00" * 31, "zz" * 32])
def test_a_fingerprint_has_64_digits(pin: str) -> None:
    with pytest.raises(vol.Invalid):
        config("https://camera/x.jpg", pin=pin)
