"""What the rtsp camera costs a processor, against bare PyAV on the same stream in the same run.

A server in a process of its own streams 1080p films that were encoded beforehand, at 25 frames a second. Camera and
bare loop watch them in turns, and both make a JPEG a second; the bare loop by `to_ndarray` and Pillow, which costs half
of PyAV's `to_image`. A live stream comes no faster to whoever reads faster, so what counts is processor time for each
decoded frame. "all": a key frame in ten seconds, every frame has to be decoded. "keys": a key frame a second, and key
frames alone are decoded.

"default" is what a camera costs as docs/cameras/rtsp.md recommends it: a picture in 2 s, a key frame as often.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import voluptuous as vol

from hub.plugin import Frame
from hub.plugin.live import address
from hub.plugin.media import encode_jpeg
from hub.plugin.testing import make_context
from plugins.cameras.rtsp import fras_plugins
from plugins.cameras.rtsp.camera import connect, opened
from tests.support.rtsp_server import serving

from .measure import Rounds, report

LEAST = 0.9
"""The share of bare PyAV's decoded frames for each second of processor time that the camera must reach."""

RATE = 25
WIDTH, HEIGHT = 1920, 1080
JPEGS = 5
"""One look at the stream ends after so many."""
(RTSP,) = fras_plugins()
Turn: TypeAlias = Callable[[], AbstractContextManager[None]]


def run(full: bool = False) -> None:
    kinds = (("h264", 1), ("h264", 2), ("h264", 10), ("h265", 2), ("mjpeg", 1))
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        films = {(codec, gap): _film(Path(folder), codec, gap) for codec, gap in kinds}
        urls = {kind: server.url(f"/film?file={file}&codec={kind[0]}") for kind, file in films.items()}
        for mode, gap in (("all", 10), ("keys", 1)):
            _compare(mode, urls["h264", gap], 15 if full else 5)
        for codec, gap in (("h264", 2), ("h264", 10), ("h265", 2), ("mjpeg", 1)):
            _cost(codec, gap, urls[codec, gap])


def _compare(mode: str, url: str, rounds: int) -> None:
    measured = Rounds()
    frames: dict[str, list[int]] = {"bare": [], "camera": []}
    for _ in range(rounds):
        measured.wait()
        frames["bare"].append(_bare(url, mode == "keys", partial(measured.turn, "bare")))
        frames["camera"].append(asyncio.run(_camera(url, "1 s", partial(measured.turn, "camera"))))
    times = measured.times
    spent = {name: [a / b for a, b in zip(times.spent[name], frames[name], strict=True)] for name in frames}
    shares = [bare / camera for bare, camera in zip(spent["bare"], spent["camera"], strict=True)]
    share = statistics.median(shares)
    report(
        "rtsp",
        decodes=mode,
        share_of_bare_speed=round(share, 3),
        target=LEAST,
        reached=share >= LEAST,
        worst_round=round(min(shares), 3),
        frames={name: sum(counts) for name, counts in frames.items()},
        milliseconds_a_frame={name: round(1000 * statistics.median(each), 2) for name, each in spent.items()},
        others=times.others,
    )


def _cost(codec: str, gap: int, url: str) -> None:
    measured = Rounds()
    decoded = asyncio.run(_camera(url, "2 s", partial(measured.turn, "camera")))
    (taken,), (spent,) = measured.times.taken["camera"], measured.times.spent["camera"]
    report(
        "rtsp default", codec=codec, seconds_between_key_frames=gap, percent_of_a_core=round(100 * spent / taken, 1),
        decoded=decoded,
    )  # fmt: skip


def _bare(url: str, keys: bool, turn: Turn) -> int:
    """Frames decoded between the first JPEG and the last."""
    with connect(address("rtsp")(url), 10, {}) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if keys:
            stream.codec_context.skip_frame = "NONKEY"
        frames = (frame for packet in container.demux(stream) for frame in packet.decode())
        next(frames)
        decoded, jpegs, due = 0, 0, time.monotonic() + 1
        with turn():
            while jpegs < JPEGS:
                frame = next(frames)
                decoded += 1
                if keys or time.monotonic() >= due:
                    due += 1
                    jpegs += 1
                    encode_jpeg(frame.to_ndarray(format="rgb24"))
    return decoded


async def _camera(url: str, every: str, turn: Turn) -> int:
    """The same of the camera."""
    config = vol.Schema(dict(RTSP.config_schema))({"url": url, "every": every})
    with tempfile.TemporaryDirectory() as folder:
        async with make_context(Path(folder)) as context, opened(config, context) as camera:
            frames = (event async for event in camera.events() if isinstance(event, Frame))
            await anext(frames)
            before = camera.video.decoded
            with turn():
                for _ in range(JPEGS):
                    await anext(frames)
                return camera.video.decoded - before


def _film(folder: Path, codec: str, gap: int) -> Path:
    """Twelve seconds of a lively scene with sensor noise, a key frame each `gap` seconds."""
    file = folder / f"{codec}-{gap}.mkv"
    random = np.random.default_rng(0)
    room = np.kron(random.integers(30, 220, (27, 48), dtype=np.uint8), np.ones((40, 40), np.uint8))
    noise = [random.normal(0, 3, (HEIGHT, WIDTH)).astype(np.int16) for _ in range(5)]
    keys = str(gap * RATE)
    options: Mapping[str, str] = {
        "h264": {"preset": "veryfast", "tune": "zerolatency", "g": keys, "b": "4M", "sc_threshold": "0"},
        "h265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": f"keyint={keys}:log-level=none"},
        "mjpeg": {"q": "5"},
    }[codec]
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream({"h264": "libx264", "h265": "libx265"}.get(codec, codec), rate=RATE)
        stream.width, stream.height, stream.options = WIDTH, HEIGHT, dict(options)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(12 * RATE):
            grey = np.roll(room, 3 * number, axis=1) + noise[number % 5]
            pixels = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            pixels[:HEIGHT] = np.clip(grey, 16, 235)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode())
    return file
