"""The rtsp camera before servers that misbehave: at the start, in mid-stream, hundreds of times."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
import trustme
import voluptuous as vol

from hub.plugin import Frame, NeedsHuman, NotReady, PluginError
from hub.plugin.live import address
from hub.plugin.testing import nothing_left_running
from plugins.cameras.rtsp import fras_plugins
from plugins.cameras.rtsp.camera import connect, explain
from tests.support.context import make_context
from tests.support.rtsp_server import (
    RtspServer,
    answering,
    drip,
    faulty_after,
    garbage,
    hang,
    message,
    misbehaving,
)

(RTSP,) = fras_plugins()
SECRET = "hunter2"
ASKS = '401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"'


async def fault(folder: Path, url: str, timeout: str = "10 s", **more: str) -> tuple[PluginError, int]:
    """What the camera says of `url`, and after how many frames; its threads are gone then."""
    config = vol.Schema(dict(RTSP.config_schema))({"url": url, "every": "20 ms", "timeout": timeout, **more})
    frames: list[Frame] = []

    async def watch() -> None:
        async with make_context(folder) as context, RTSP.open(config, context) as camera:
            async for event in camera.events():
                frames.extend([event] if isinstance(event, Frame) else [])

    async with asyncio.timeout(60), nothing_left_running():
        with pytest.raises(PluginError) as raised:
            await watch()
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value, len(frames)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a folder of the kernel's)


@pytest.mark.parametrize(
    ("behave", "meaning", "said"),
    [
        (hang, NotReady, "gives no proper answer in time"),
        (drip, NotReady, "gives no proper answer in time"),
        (garbage, NotReady, "gives no proper answer in time|no video stream"),
        (answering("401 Unauthorized"), NeedsHuman, "does not accept user and password"),
        (answering("403 Forbidden"), NeedsHuman, "forbids it"),
        (answering("404 Not Found"), NeedsHuman, "no such path"),
        (answering("461 Unsupported transport"), NotReady, "refuses the request"),
        (answering("500 Internal Server Error"), NotReady, "fault of its own"),
        (answering("503 Service Unavailable"), NotReady, "fault of its own"),
    ],
    ids=["hang", "drip", "garbage", "401", "403", "404", "461", "500", "503"],
)
async def test_at_the_start(tmp_path: Path, behave: Any, meaning: type[PluginError], said: str) -> None:
    timeout = "300 ms" if behave in (hang, drip, garbage) else "10 s"
    async with misbehaving(behave) as port:
        error, _ = await fault(tmp_path, f"rtsp://admin:{SECRET}@127.0.0.1:{port}/live?pwd={SECRET}", timeout)
        assert isinstance(error, meaning)
        assert any(part in error.message for part in said.split("|"))


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps"])
async def test_nobody_there_and_no_tls(tmp_path: Path, scheme: str) -> None:
    error, _ = await fault(tmp_path, f"{scheme}://admin:{SECRET}@127.0.0.1:1/live")
    assert error.message == f"{scheme}://127.0.0.1:1/… refuses the connection"
    async with misbehaving(garbage) as port:
        error, _ = await fault(tmp_path, f"rtsps://admin:{SECRET}@127.0.0.1:{port}/live")
        assert isinstance(error, NotReady)
        assert "certificate" in str(error)
    error, _ = await fault(tmp_path, f"rtsp://admin:{SECRET}@no-such-camera.invalid/live")
    assert "cannot be reached" in error.message


@pytest.mark.parametrize("behave", [hang, drip, garbage], ids=lambda behave: behave.__name__)
async def test_in_mid_stream(tmp_path: Path, server: RtspServer, behave: Any) -> None:
    async with misbehaving(faulty_after(20_000, server.port, behave)) as port:
        error, frames = await fault(tmp_path, f"rtsp://127.0.0.1:{port}/mjpeg", "1 s")
    assert isinstance(error, NotReady)
    assert frames > 0


async def test_sound_alone_is_said(tmp_path: Path, server: RtspServer) -> None:
    error, _ = await fault(tmp_path, server.url("/sound"))
    assert isinstance(error, NotReady)
    assert str(error).endswith("and more than sound?")


@pytest.mark.parametrize("logs_in", [False, True], ids=["at once", "after the login"])
@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "satip", "tcp", "tls"])
async def test_a_redirect_is_not_followed_and_gets_no_password(tmp_path: Path, scheme: str, logs_in: bool) -> None:
    heard: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))

    async with misbehaving(elsewhere) as other:
        moved = f"302 Moved Temporarily\r\nLocation: {scheme}://127.0.0.1:{other}/live"

        async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError):
                while True:
                    request = await message(reader)
                    number = next(line for line in request.split(b"\r\n") if line.startswith(b"CSeq"))
                    status = moved if b"Authorization" in request or not logs_in else ASKS
                    writer.write(f"RTSP/1.0 {status}\r\n".encode() + number + b"\r\n\r\n")

        async with misbehaving(camera) as port:
            error, _ = await fault(tmp_path, f"rtsp://admin:{SECRET}@127.0.0.1:{port}/live")
    assert heard == []
    if scheme in ("tcp", "tls"):  # which no camera says: FFmpeg calls it nonsense
        assert "no video stream" in error.message
    else:
        assert isinstance(error, NeedsHuman)
        assert error.message == f"rtsp://127.0.0.1:{port}/… points elsewhere"


async def test_a_certificate_for_another_name_gets_no_password(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "school.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("another-camera.example").configure_cert(context)
    async with misbehaving(camera, tls=context) as port:
        error, _ = await fault(tmp_path, f"rtsps://admin:{SECRET}@127.0.0.1:{port}/live", ca="school.pem")
    assert "nobody vouches for its certificate" in error.message
    assert not any(heard)


async def test_stopping_while_it_connects_waits_for_nobody(tmp_path: Path) -> None:
    async with misbehaving(hang) as port, nothing_left_running():
        task = asyncio.create_task(fault(tmp_path, f"rtsp://127.0.0.1:{port}/live", "300 ms"))
        await asyncio.sleep(0.1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_connections_that_hang_do_not_pile_up(tmp_path: Path) -> None:
    """As name servers do that never answer: no timeout of FFmpeg's ends them."""
    never = threading.Event()
    names = ["fras.lobby-stream"] * 4
    threads = [threading.Thread(target=never.wait, name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    error, _ = await fault(tmp_path, "rtsp://127.0.0.1:1/live")
    assert "4 earlier connections" in error.message
    never.set()
    for thread in threads:
        thread.join()
    error, _ = await fault(tmp_path, "rtsp://127.0.0.1:1/live")
    assert "refuses" in error.message


async def test_hundreds_of_faults_leave_nothing_behind() -> None:
    kinds = {
        "401 Unauthorized": NeedsHuman,
        "404 Not Found": NeedsHuman,
        "500 Internal Server Error": NotReady,
        "refuse": NotReady,
    }
    process = psutil.Process()
    for status, meaning in kinds.items():
        async with misbehaving(answering(status)) as port:
            where = address("rtsp")(f"rtsp://admin:{SECRET}@127.0.0.1:{1 if status == 'refuse' else port}/live")
            once = partial(_once, where, meaning)
            await asyncio.to_thread(_often, once, 20)
            files, memory = open_files(), process.memory_info().rss
            await asyncio.to_thread(_often, once, 150)
            assert open_files() <= files + 1, status
            assert process.memory_info().rss < memory + 8_000_000, status


def _often(call: Callable[[], None], times: int) -> None:
    for _ in range(times):
        call()


def _once(where: Any, meaning: type[PluginError]) -> None:
    with pytest.raises(av.FFmpegError) as raised:
        connect(where, 5, {})
    assert isinstance(explain(raised.value, where, False), meaning)
