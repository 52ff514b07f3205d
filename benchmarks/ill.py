"""Remotes that are ill on demand, in a process of their own: what they hold and cost is not the hub's.

`python -m benchmarks.ill RCLONE RTSP_PORT FOLDER` says in a line of JSON where they are, then does what lines on its
standard input say: `azure hang`, `s3 well`. It answers each with how often each fault has befallen a connection so far.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import trustme

from tests.support import azure
from tests.support.fault_kinds import spoil_tls
from tests.support.rtsp_server import (
    answering,
    drip,
    faulty_after,
    garbage,
    hang,
    misbehaving,
    telling,
)
from tests.support.s3_servers import Fault, FaultProxy, answer, cut_answer, fault_proxy, forward, noise, refused
from tests.support.s3_servers import drip as drip_http
from tests.support.s3_servers import hang as hang_http

if TYPE_CHECKING:
    from tests.support.rtsp_server import Behave

WELL, REFUSE, CERTIFICATE = "well", "refuse", "certificate"
CUT = cut_answer(20)
AZURE: dict[str, Fault] = {
    "hang": hang_http, "drip": drip_http, "cut": CUT, "garbage": noise(b"\x00\xff" * 500), "tls": spoil_tls,
    "503": answer("503 Ill", b"{}"), "401": answer("401 No", b'{"error": {"code": "401", "message": "no"}}'),
}  # fmt: skip
S3: dict[str, Fault] = {
    "hang": hang_http, "drip": drip_http, "cut": CUT, "garbage": noise(b"\x00\xff" * 500), "tls": spoil_tls,
    "503": refused("503 Slow Down", "SlowDown"), "403": refused("403 Forbidden", "AccessDenied"),
}  # fmt: skip
WAYS = {name: (REFUSE, CERTIFICATE, *faults) for name, faults in (("azure", AZURE), ("s3", S3))}
"""What `become` takes; after the last a person is needed."""

HTTP_HEAD = b"HTTP/1.1 %s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
SNAPSHOTS = {
    "half": HTTP_HEAD % (b"200 OK", 5) + b"\xff\xd8\xff",
    "page": HTTP_HEAD % (b"200 OK", 6) + b"<html>",
    "404": HTTP_HEAD % (b"404 No", 0),
    "500": HTTP_HEAD % (b"500 Ill", 2) + b"{}",
    "503": HTTP_HEAD % (b"503 Ill", 2) + b"{}",
    "nothing": b"",
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
}
"""What a camera's web server may answer; the connection ends then."""
STREAMS = {
    "500": b"RTSP/1.0 500 Ill\r\nCSeq: 1\r\n\r\n",
    "461": b"RTSP/1.0 461 Unsupported Transport\r\nCSeq: 1\r\n\r\n",
    "404": b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n",
    "nothing": b"",
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
}
Befallen: TypeAlias = Mapping[str, int]
"""How many connections, by `remote way`."""


@dataclass(frozen=True)
class Ill:
    """`azure` and `s3` are HTTPS endpoints with certificates of `authority`, a file. `streams` and `snapshots` are
    addresses, by way, of servers that are ill in it; `calls` and `calls_tls` are HTTP endpoints that are ill in every
    way in turns, and one whose TLS is."""

    azure: str
    s3: str
    authority: str
    streams: Mapping[str, str]
    snapshots: Mapping[str, str]
    calls: str
    calls_tls: str
    process: subprocess.Popen[str]

    async def become(self, remote: str, way: str) -> Befallen:
        return await asyncio.to_thread(self._say, f"{remote} {way}\n")

    async def befallen(self) -> Befallen:
        return await self.become("azure", WELL)

    def _say(self, line: str) -> Befallen:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        befallen: Befallen = json.loads(self.process.stdout.readline())
        return befallen


@contextmanager
def ill(rclone: str, rtsp: int, folder: Path) -> Iterator[Ill]:
    command = [sys.executable, "-m", __name__, rclone, str(rtsp), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Ill(**json.loads(process.stdout.readline()), process=process)
        finally:
            process.kill()


def _saying(answer: bytes) -> Behave:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return say


async def _half_and_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(SNAPSHOTS["half"])
    await reader.read()


def _counted(befallen: Counter[str], name: str, behave: Behave) -> Behave:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        befallen[name] += 1
        with suppress(asyncio.IncompleteReadError):  # whoever comes may go without a word
            await behave(reader, writer)

    return count


def _in_turns(these: Sequence[Behave]) -> Behave:
    coming = itertools.cycle(these)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(coming)(reader, writer)

    return behave


class _Remote:
    """An HTTPS proxy before a service, and what befalls it."""

    def __init__(self, name: str, faults: Mapping[str, Fault], proxy: FaultProxy, befallen: Counter[str]) -> None:
        self._name = name
        self._faults = faults
        self._proxy = proxy
        self._befallen = befallen

    async def become(self, way: str, good: ssl.SSLContext, bad: ssl.SSLContext) -> None:
        name = f"{self._name} {way}"
        if way == REFUSE:
            await self._proxy.set(None)
        elif way == CERTIFICATE:
            bad.sni_callback = lambda *_: self._befallen.update([name])
            await self._proxy.set(forward, bad)
        elif way == WELL:
            await self._proxy.set(forward, good)
        else:
            await self._proxy.set(partial(self._befall, name, self._faults[way]), good)

    async def _befall(
        self, name: str, fault: Fault, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._befallen[name] += 1
        await fault(proxy, reader, writer)


def _certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def _serve(rclone: str, rtsp: int, folder: Path) -> None:
    authority, befallen = trustme.CA(), Counter[str]()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    good, bad = _certificate(authority), _certificate(trustme.CA())
    streaming = {
        "hang": hang, "drip": drip, "garbage": garbage, "403": answering("403 Forbidden"),
        **{way: _saying(said) for way, said in STREAMS.items()},
        **{
            f"later {way}": faulty_after(20_000, rtsp, then)
            for way, then in (("hang", hang), ("drip", drip), ("garbage", garbage), ("503", telling("503 Ill")))
        },
    }  # fmt: skip
    picturing = {
        "hang": hang, "drip": drip, "garbage": garbage, "half and silence": _half_and_silence,
        "403": _saying(HTTP_HEAD % (b"403 No", 0)), **{way: _saying(said) for way, said in SNAPSHOTS.items()},
    }  # fmt: skip
    quick = [_saying(said) for said in SNAPSHOTS.values()]
    async with AsyncExitStack() as stack:

        async def at(name: str, behave: Behave, tls: ssl.SSLContext | None = None) -> str:
            port = await stack.enter_async_context(misbehaving(_counted(befallen, name, behave), tls))
            return f"127.0.0.1:{port}"

        async def with_tls(scheme: str, name: str) -> str:
            own = _certificate(trustme.CA())
            own.sni_callback = lambda *_: befallen.update([f"{name} {CERTIFICATE}"])
            return f"{scheme}://{await at('unheard of', hang, own)}/{path[name]}"

        path = {"stream": "mjpeg", "snapshot": "x.jpg", "calls": ""}
        cloud = await stack.enter_async_context(azure.serving())
        proxies = [await stack.enter_async_context(fault_proxy(url, good)) for url in (cloud.endpoint, rclone)]
        remotes = {
            name: _Remote(name, faults, proxy, befallen)
            for (name, faults), proxy in zip((("azure", AZURE), ("s3", S3)), proxies, strict=True)
        }
        where = {
            **dict(zip(remotes, (proxy.endpoint for proxy in proxies), strict=True)),
            "authority": str(folder / "ca.pem"),
            "streams": {
                REFUSE: "rtsp://127.0.0.1:1/mjpeg",
                CERTIFICATE: await with_tls("rtsps", "stream"),
                **{way: f"rtsp://{await at(f'stream {way}', how)}/mjpeg" for way, how in streaming.items()},
            },
            "snapshots": {
                REFUSE: "http://127.0.0.1:1/x.jpg",
                CERTIFICATE: await with_tls("https", "snapshot"),
                **{way: f"http://{await at(f'snapshot {way}', how)}/x.jpg" for way, how in picturing.items()},
            },
            "calls": f"http://{await at('calls', _in_turns([*quick * 9, hang, drip, _half_and_silence]))}",
            "calls_tls": (await with_tls("https", "calls")).rstrip("/"),
        }
        print(json.dumps(where), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            remote, way = line.split(maxsplit=1)
            await remotes[remote].become(way.strip(), good, bad)
            print(json.dumps(befallen), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
