"""A real RTSP server (GStreamer's) in a process of its own, and one that misbehaves in chosen ways.

This file is both ends: tests import it; Debian's Python, which has GStreamer's bindings, runs it as a script.

    rtsp://127.0.0.1:PORT/h264?pattern=ball&key=10&rate=10&size=320x240     also /h265, /mjpeg and /sound; &sound=1 with
    rtsp://127.0.0.1:PORT/film?file=/tmp/film.mkv&codec=h264             an encoded film, as it is
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PYTHON = "/usr/bin/python3"


class RtspServer:
    """The server's process, and what can be done to it. Use `serving`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = self._number()

    def url(self, path: str = "/h264", login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}{path}"

    def resize(self, width: int, height: int) -> None:
        """Changes the resolution of what is being streamed."""
        self._say(f"size {width} {height}")

    def kick(self) -> None:
        """Ends every client's connection."""
        self._say("kick")

    def clients(self) -> int:
        self._say("clients")
        return self._number()

    def stall(self) -> None:
        """The process stops where it is; its connections stay open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def serving(*, port: int = 0, login: str = "", scheme: str = "digest", live: str = "h264") -> Iterator[RtspServer]:
    """A server; `login` is `user:password` of those who may look, asked for by "basic" or "digest".

    `live` is what there is at /live, as in `mjpeg?size=160x120`.
    """
    import pytest

    if subprocess.run([PYTHON, __file__, "try"], check=False, capture_output=True).returncode:
        pytest.skip("no GStreamer RTSP server: install the packages of requirements/apt.txt (scripts/services)")
    process = subprocess.Popen(
        [PYTHON, __file__, str(port), login, scheme, live],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield RtspServer(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


@asynccontextmanager
async def misbehaving(behave: Behave, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that treats each connection so."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError):
                await behave(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing until the other side gives up."""
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A header that never ends, a byte at a time."""
    writer.write(b"RTSP/1.0 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(os.urandom(4096))
        await writer.drain()


def answering(status: str) -> Behave:
    """Answers every request with this status, for example `404 Not Found`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _request(reader):
            numbers = [line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")]
            writer.write(b"RTSP/1.0 " + status.encode() + b"\r\n" + b"".join(numbers) + b"\r\n\r\n")

    return answer


def telling(status: str, *, ends: bool = False) -> Behave:
    """In mid-stream: says so unasked, as a server that ends a session, and sends no more pictures. Then it ends the
    connection, or else answers the same to whatever is asked."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"RTSP/1.0 {status}\r\nCSeq: 1\r\n\r\n".encode())
        await writer.drain()
        if ends:
            writer.write_eof()
            await reader.read()
        else:
            await answering(status)(reader, writer)

    return tell


async def message(reader: asyncio.StreamReader) -> bytes:
    """One message of RTSP, or one packet that is interleaved with them (RFC 2326, 10.12)."""
    start = await reader.readexactly(1)
    if start == b"$":
        about = await reader.readexactly(3)
        return start + about + await reader.readexactly(int.from_bytes(about[1:], "big"))
    head = start + await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


def faulty_after(count: int, port: int, then: Behave) -> Behave:
    """Passes on what the real server at `port` says, so many bytes of it; then misbehaves."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.create_task(_copy(reader, before))
        try:
            left = count
            while left > 0 and (data := await behind.read(min(left, 4096))):
                left -= len(data)
                writer.write(data)
                await writer.drain()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            before.transport.abort()
        await then(reader, writer)

    return pass_on


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


_SOUND = "audiotestsrc is-live=true ! alawenc ! rtppcmapay"
_QUICKLY = "tune=zerolatency speed-preset=ultrafast key-int-max={key} bitrate=500"
CODECS = {
    "h264": f"x264enc {_QUICKLY} ! rtph264pay config-interval=-1",
    "h265": f"x265enc {_QUICKLY} ! rtph265pay config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay",
}


def launch(path: str, query: dict[str, str]) -> str:
    """The pipeline of an address."""
    if path == "sound":
        return f"( {_SOUND} name=pay0 )"
    if path == "film":
        parse = {"h264": "h264parse ! rtph264pay", "h265": "h265parse ! rtph265pay", "mjpeg": "jpegparse ! rtpjpegpay"}
        return f"( filesrc location={query['file']} ! matroskademux ! {parse[query['codec']]} name=pay0 pt=96 )"
    width, height = query.get("size", "320x240").split("x")
    codec = CODECS[path].format(key=query.get("key", "10"))
    return (
        f"( videotestsrc is-live=true pattern={query.get('pattern', 'ball')} ! capsfilter name=size"
        f" caps=video/x-raw,format=I420,width={width},height={height},framerate={query.get('rate', '10')}/1"
        f" ! {codec} name=pay0 pt=96 {f'{_SOUND} name=pay1' if query.get('sound') else ''} )"
    )


def main(port: str, login: str, scheme: str, live: str) -> None:
    import threading
    from urllib.parse import parse_qsl

    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    if port == "try":
        assert all(Gst.ElementFactory.find(name) for name in ("x264enc", "x265enc", "jpegenc", "rtph265pay"))
        return
    made: list[Any] = []

    class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
        def do_create_element(self, url: Any) -> Any:
            path, query = url.abspath.strip("/"), url.query
            if path == "live":
                path, _, query = live.partition("?")
            element = Gst.parse_launch(launch(path, dict(parse_qsl(query or ""))))
            if element.get_by_name("size"):
                made.append(element.get_by_name("size"))
            return element

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    for path in (*CODECS, "sound", "film", "live"):
        factory = Factory()
        if login:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{path}", factory)
    if login:
        from gi.repository import GstRtsp

        user, _, password = login.partition(":")
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth = GstRtspServer.RTSPAuth()
        if scheme == "basic":
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        server.set_auth(auth)
    server.attach(None)
    print(server.get_bound_port(), flush=True)

    def obey(line: str) -> bool:
        command, *words = line.split()
        if command == "size":
            for element in made:
                caps = f"video/x-raw,format=I420,width={words[0]},height={words[1]},framerate=10/1"
                element.set_property("caps", Gst.Caps.from_string(caps))
        elif command == "kick":
            server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        elif command == "clients":
            print(len(server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REF)), flush=True)
        return False

    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(obey, line)
        GLib.idle_add(loop.quit)  # whoever started this is gone

    threading.Thread(target=listen, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main(*[*sys.argv[1:], "", "", ""][:4])
