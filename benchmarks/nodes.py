"""Nodes that send to the hub against the same nodes that send to a bare sink: aiohttp, TLS, 8 bytes for each frame.

The hub is the real one, in this process, with its listener, inbox and SQLite. A frame counts once its file is synced
and its row committed, and the node has been told. The sink, in this process too, reads a frame and answers; it keeps
nothing. The nodes, in other processes, send a frame a second, and once more as fast as their credits allow, while
recognition pauses; the same with recognition is told apart.
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
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np
from aiohttp import WSMsgType, web

from hub.inbox import Outcome
from hub.nodes.identity import open_identity
from hub.plugin.media import encode_jpeg
from node.wire import PATH, Pair, decode_picture
from plugins.cameras.demo import PORTRAITS
from tests.support.node_hub import YAML, NodeHub, node_hub, school_in

from .frames import read
from .measure import Rounds, report
from .packs import MODELS, ready

LEAST = 0.7
"""The share of the sink's frames a second that is asked for."""
SIZES = (50, 200)
WINDOW = 3.0
"""Seconds of each window."""
PACED = 6.0
"""Seconds of a window in which nodes send a frame a second."""
DRAINED = 900.0
"""Seconds that recognition of what was sent may take."""
FACES = 6
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
    ready("dlib")
    yaml = YAML.replace("platform: colours", f'platform: onnx_local, models_folder: "{MODELS}"')
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place, school_in(Path(place), yaml) as school:
        picture = Path(place) / "picture.jpg"
        picture.write_bytes(_picture())
        async with node_hub(school) as hub:
            identity = open_identity(hub.service.data)
            boards = [await _board(hub, number) for number in range(max(SIZES))]
            async with asyncio.timeout(60):
                while len(hub.opened.settings.cameras) <= len(boards):  # noqa: ASYNC110 (the same)
                    await asyncio.sleep(0.1)
            both = {"pin": identity.pin.hex(), "picture": str(picture)}
            async with _sink(identity.tls()) as sink:
                for size in SIZES:
                    ours = {"port": await hub.service.where(), "boards": boards[:size]} | both
                    theirs = {"port": sink, "boards": [{}] * size} | both
                    async with hub.works._pipeline.paused():
                        found = await _of_size(ours, theirs, rounds)
                        await _gone(hub, boards[:size])
                    if size == SIZES[0]:
                        found["recognising"] = await _recognising(hub, ours)
                        await _gone(hub, boards[:size])
                    report("nodes", nodes=size, frame_bytes=picture.stat().st_size, **found)


async def _board(hub: NodeHub, number: int) -> dict[str, Any]:
    """A node that is paired and confirmed."""
    credential = os.urandom(32)
    invite = await hub.registry.invite(f"room-{number}", "101")
    node = await hub.registry.pair(Pair(invite.token, credential, "bench"))
    await hub.registry.confirm(node.id)
    return {"node": node.id, "credential": credential.hex(), "epoch": node.epoch, "last": 0}


async def _gone(hub: NodeHub, boards: Sequence[dict[str, Any]]) -> None:
    """The boards' connections have ended; each knows what it has told."""
    async with asyncio.timeout(30):
        while hub.nodes.connected():  # noqa: ASYNC110 (it is others that change it)
            await asyncio.sleep(0.05)
    for board in boards:
        board["last"] = hub.nodes._before[board["node"]].numbers.highest


def _picture() -> bytes:
    """A JPEG of 640×480 with six faces, about 40 kB."""
    portraits = sorted(PORTRAITS.glob("*/1.jpg"))[:FACES]
    places = [cv2.resize(read(portrait), (213, 240), interpolation=cv2.INTER_AREA) for portrait in portraits]
    rows = [np.hstack(places[start : start + 3]) for start in (0, 3)]
    return encode_jpeg(np.ascontiguousarray(np.vstack(rows)), 85)


async def _recognising(hub: NodeHub, ours: dict[str, Any]) -> dict[str, Any]:
    """The same while the recogniser works on what it is sent: a live frame that is overtaken is not looked at."""
    async with asyncio.timeout(DRAINED), _clients(ours) as client:
        await hub.works.hub.drained()
        before, began = hub.works.hub.outcomes.copy(), perf_counter()
        window = await _window(client, PACED, 1)
        await hub.works.hub.drained()
    looked_at = hub.works.hub.outcomes - before
    return {
        "recognised_a_second": round(looked_at[Outcome.RECOGNISED] / (perf_counter() - began), 1),
        "frames_a_second": round(window.rate, 1),
        "acknowledged_in_ms": [window.wait(0.5), window.wait(0.99)],
        "outcomes": {str(outcome): number for outcome, number in looked_at.items()},
    }


async def _of_size(ours: dict[str, Any], theirs: dict[str, Any], rounds: int) -> dict[str, Any]:
    measured = Rounds()
    flat: dict[str, list[Window]] = {"hub": [], "sink": []}
    paced: dict[str, list[Window]] = {"hub": [], "sink": []}
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
                paced[name].append(await _window(client, PACED, 1))
    at_one_a_second = _compared(**paced)
    return {
        "target": LEAST,
        "reached": at_one_a_second["share_of_the_sinks"] >= LEAST,
        "at_one_a_second": at_one_a_second,
        "as_fast_as_credits_allow": _compared(**flat),
        "others_and_the_nodes": measured.times.others,
    }


def _compared(hub: Sequence[Window], sink: Sequence[Window]) -> dict[str, Any]:
    share = statistics.median(one.rate / other.rate for one, other in zip(hub, sink, strict=True))
    return {"share_of_the_sinks": round(share, 3), "hub": _told(hub), "sink": _told(sink)}


def _told(windows: Sequence[Window]) -> dict[str, Any]:
    together = Window(0, 0, [wait for window in windows for wait in window.waits])
    return {
        "frames_a_second": round(statistics.median(window.rate for window in windows), 1),
        "cpu_ms_a_frame": round(statistics.median(window.cpu for window in windows) * 1000, 2),
        "acknowledged_in_ms": [together.wait(0.5), together.wait(0.99)],
    }


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
