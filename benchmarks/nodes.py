"""Nodes that send to the hub against the same nodes that send to a bare sink: aiohttp, TLS, 8 bytes for each frame.

The hub is the real one, in this process, with its listener, inbox and SQLite; only its recogniser pauses, so that what
is measured is how frames get in: a frame counts once its file is synced and its row committed, and the node has been
told. The sink, in this process too, reads a frame and answers; it keeps nothing. The nodes are in other processes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from aiohttp import WSMsgType, web

from hub.nodes.identity import open_identity
from node.wire import PATH, Pair, decode_picture
from tests.support.node_hub import NodeHub, node_hub, school_in

from .measure import Rounds, report

LEAST = 0.7
"""The share of the sink's frames a second that is asked for."""
SIZES = (50, 200)
BYTES = 40_000
"""Of a picture; 640×480 at quality 85 is about that."""
WINDOW = 3.0
"""Seconds of each window."""
PATIENCE = 30.0
"""Seconds that the last acknowledgements may take."""


@dataclass(frozen=True, slots=True)
class Window:
    """What came of one: frames acknowledged a second, processor seconds of this process a frame, waits in ms."""

    rate: float
    cpu: float
    waits: Sequence[float]

    def wait(self, share: float) -> float:
        return round(sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))], 1)


def run(full: bool = False) -> None:
    asyncio.run(_compare(9 if full else 3))


async def _compare(rounds: int) -> None:
    logging.getLogger("fras").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place, school_in(Path(place)) as school:
        async with node_hub(school) as hub:
            identity = open_identity(hub.service.data)
            boards = [await _board(hub, number) for number in range(max(SIZES))]
            async with asyncio.timeout(60):
                while len(hub.opened.settings.cameras) <= len(boards):  # noqa: ASYNC110 (the same)
                    await asyncio.sleep(0.1)
            async with hub.works._pipeline.paused(), _sink(identity.tls()) as sink:
                for size in SIZES:
                    ours = {"port": await hub.service.where(), "boards": boards[:size]}
                    theirs = {"port": sink, "boards": [{}] * size}
                    both = {"pin": identity.pin.hex(), "bytes": BYTES}
                    await _of_size(size, ours | both, theirs | both, rounds)
                    async with asyncio.timeout(30):
                        while hub.nodes.connected():  # noqa: ASYNC110 (it is others that change it)
                            await asyncio.sleep(0.05)
                    for board in boards[:size]:
                        board["last"] = hub.nodes._before[board["node"]].numbers.highest


async def _board(hub: NodeHub, number: int) -> dict[str, Any]:
    """A node that is paired and confirmed."""
    credential = os.urandom(32)
    invite = await hub.registry.invite(f"room-{number}", "101")
    node = await hub.registry.pair(Pair(invite.token, credential, "bench"))
    await hub.registry.confirm(node.id)
    return {"node": node.id, "credential": credential.hex(), "epoch": node.epoch, "last": 0}


async def _of_size(size: int, ours: dict[str, Any], theirs: dict[str, Any], rounds: int) -> None:
    measured = Rounds()
    flat: dict[str, list[Window]] = {"hub": [], "sink": []}
    async with AsyncExitStack() as stack:
        clients = {
            "hub": await stack.enter_async_context(_clients(ours)),
            "sink": await stack.enter_async_context(_clients(theirs)),
        }
        for client in clients.values():
            await _window(client, 1.0, 0)
        for _ in range(rounds):
            for name, client in clients.items():
                flat[name].append(await _window(client, WINDOW, 0))
        paced = {name: await _window(client, 2 * WINDOW, 1) for name, client in clients.items()}
    share = statistics.median(one.rate / other.rate for one, other in zip(flat["hub"], flat["sink"], strict=True))
    last = Window(0, 0, [wait for window in flat["hub"] for wait in window.waits])
    report(
        "nodes",
        nodes=size,
        frame_bytes=BYTES,
        share_of_the_sinks_speed=round(share, 3),
        target=LEAST,
        reached=share >= LEAST,
        frames_a_second=round(statistics.median(window.rate for window in flat["hub"]), 1),
        sinks_frames_a_second=round(statistics.median(window.rate for window in flat["sink"]), 1),
        cpu_ms_a_frame=_cpu(flat["hub"]),
        sinks_cpu_ms_a_frame=_cpu(flat["sink"]),
        acknowledged_in_ms=[last.wait(0.5), last.wait(0.99)],
        at_one_a_second={
            "frames_a_second": round(paced["hub"].rate, 1),
            "cpu_ms_a_frame": _cpu([paced["hub"]]),
            "acknowledged_in_ms": [paced["hub"].wait(0.5), paced["hub"].wait(0.99)],
            "sink_in_ms": [paced["sink"].wait(0.5), paced["sink"].wait(0.99)],
            "sinks_cpu_ms_a_frame": _cpu([paced["sink"]]),
        },
        others_and_the_nodes=measured.times.others,
    )


def _cpu(windows: Sequence[Window]) -> float:
    return round(statistics.median(window.cpu for window in windows) * 1000, 2)


async def _window(client: asyncio.subprocess.Process, seconds: float, rate: float) -> Window:
    assert client.stdin is not None
    assert client.stdout is not None
    spent = process_time()
    client.stdin.write(f"{seconds} {rate}\n".encode())
    async with asyncio.timeout(seconds + PATIENCE):
        found = json.loads(await client.stdout.readline())
    cpu = process_time() - spent
    return Window(found["frames"] / seconds, cpu / max(1, found["all"]), found["waits"] or [0.0])


@asynccontextmanager
async def _clients(task: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Connected."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{__package__}.node_clients"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def _sink(tls: Any) -> AsyncIterator[int]:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 22, compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                picture = decode_picture(message.data)
                assert picture is not None
                await socket.send_bytes(picture.number.to_bytes(8))
        return socket

    app = web.Application()
    app.router.add_get(PATH, serve)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
