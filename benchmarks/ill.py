"""Remotes that are ill on demand, in a process of their own: what they hold and cost is not the hub's.

`python -m benchmarks.ill RCLONE RTSP_PORT` says in a line of JSON where they are, then does what lines on its standard
input say: `azure hang`, `s3 well`. It answers each with how often `http` and `rtsp` have been ill so far.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from tests.support import azure, s3_servers
from tests.support.azure import faults
from tests.support.rtsp_server import answering, drip, faulty_after, garbage, hang, misbehaving

WELL = "well"
AZURE: dict[str, faults.Fault | None] = {
    WELL: None, "hang": faults.hang, "drip": faults.drip, "cut": faults.cut, "garbage": faults.garbage,
    "503": faults.status(503), "401": faults.status(401),
}  # fmt: skip
S3: dict[str, s3_servers.Fault | None] = {
    WELL: s3_servers.forward, "refuse": None, "hang": s3_servers.hang, "drip": s3_servers.drip,
    "garbage": s3_servers.noise(b"\x00\xff" * 500), "503": s3_servers.refused("503 Slow Down", "SlowDown"),
    "403": s3_servers.refused("403 Forbidden", "AccessDenied"),
}  # fmt: skip
HTTP = (
    b"",
    b"HTTP/1.1 500 Ill\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<htm",
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
    b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)
RTSP = (
    b"",
    b"RTSP/1.0 500 Ill\r\nCSeq: 1\r\n\r\n",
    b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n",
    b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)


Answered: TypeAlias = Mapping[str, int]


@dataclass(frozen=True)
class Ill:
    """`ports` are of servers that treat every connection badly, each in its own way; at `http` and `rtsp` each
    connection is answered in another way, at once."""

    azure: str
    s3: str
    ports: Sequence[int]
    http: int
    rtsp: int
    process: subprocess.Popen[str]

    async def become(self, remote: str, how: str) -> Answered:
        return await asyncio.to_thread(self._say, f"{remote} {how}\n")

    async def answered(self) -> Answered:
        """How many requests `http` and `rtsp` have answered badly so far."""
        return await self.become("azure", WELL)

    def _say(self, line: str) -> Answered:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        answered: Answered = json.loads(self.process.stdout.readline())
        return answered


@contextmanager
def ill(rclone: str, rtsp: int) -> Iterator[Ill]:
    command = [sys.executable, "-m", __name__, rclone, str(rtsp)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Ill(**json.loads(process.stdout.readline()), process=process)
        finally:
            process.kill()


def _cycling(answers: Sequence[bytes], count: Callable[[], None]) -> Any:
    coming = itertools.cycle(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        count()
        writer.write(next(coming))
        await writer.drain()

    return answer


async def _serve(rclone: str, rtsp: int) -> None:
    behaviours = (
        hang, drip, garbage, answering("500 Oops"), answering("461 Unsupported transport"),
        *(faulty_after(20_000, rtsp, then) for then in (hang, drip, garbage)),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        cloud = await enter(azure.serving())
        proxy = await enter(s3_servers.fault_proxy(rclone))
        ports = [await enter(misbehaving(behave)) for behave in behaviours]
        answered = Counter(http=0, rtsp=0)
        http = await enter(misbehaving(_cycling(HTTP, partial(answered.update, ["http"]))))
        cameras = await enter(misbehaving(_cycling(RTSP, partial(answered.update, ["rtsp"]))))
        where = {"azure": cloud.endpoint, "s3": proxy.endpoint, "ports": [*ports, 1], "http": http, "rtsp": cameras}
        print(json.dumps(where), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            remote, how = line.split()
            if remote == "azure":
                cloud.fault = AZURE[how]
            else:
                await proxy.set(S3[how])
            print(json.dumps(answered), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
