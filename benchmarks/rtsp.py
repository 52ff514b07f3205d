"""What the rtsp camera costs a processor, against bare PyAV on the same stream in the same run.

A server in a process of its own streams 1080p films that were encoded beforehand, at 25 frames a second. Camera and
bare loop watch them in turns, and both take two pictures a second. A live stream comes no faster to whoever reads
faster, so what counts is processor time for each decoded frame. "all": a key frame in ten seconds, every frame has to
be decoded. "keys": two key frames a second, and key frames alone are decoded.

"decoded": what a picture costs that goes no further, as most do: the bare loop's is an array as the decoder gives it
(`to_ndarray`), the camera's has been looked at for movement. "jpeg": both make a JPEG of it, the bare loop by
`to_ndarray` and Pillow, which costs half of PyAV's `to_image`.

With `--full` also what a camera costs as docs/cameras/rtsp.md recommends it: a picture in 2 s, a key frame as often.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
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
from plugins.cameras.rtsp.camera import RtspCamera, connect, opened
from tests.support.rtsp_server import serving

from .measure import Rounds, report

LEAST = 0.9
"""The share of bare PyAV's decoded frames for each second of processor time that the camera must reach."""

RATE = 25
WIDTH, HEIGHT = 1920, 1080
EVERY = 0.5
"""Seconds between pictures, and between key frames of "keys"."""
RARELY = 10
"""Seconds between key frames of "all"."""
PICTURES = 4
"""One look at the stream ends after so many."""
COMPARED = (
    ("decoded", "h264", RARELY), ("decoded", "h264", EVERY), ("decoded", "h265", RARELY), ("decoded", "h265", EVERY),
    ("jpeg", "h264", RARELY), ("jpeg", "h264", EVERY),
)  # fmt: skip
RECOMMENDED = (("h264", 2), ("h264", RARELY), ("h265", 2), ("mjpeg", 1))
(RTSP,) = fras_plugins()
Turn: TypeAlias = Callable[[], AbstractContextManager[None]]


def run(full: bool = False) -> None:
    kinds = {(codec, gap) for _, codec, gap in COMPARED} | set(RECOMMENDED if full else ())
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        films = {(codec, gap): _film(Path(folder), codec, gap, 12 if full else 5) for codec, gap in kinds}
        urls = {kind: server.url(f"/film?file={file}&codec={kind[0]}") for kind, file in films.items()}
        for made, codec, gap in COMPARED:
            _compare(made, codec, gap == EVERY, urls[codec, gap], 15 if full else 3)
        for codec, gap in RECOMMENDED if full else ():
            _cost(codec, gap, urls[codec, gap])


def _compare(made: str, codec: str, keys: bool, url: str, rounds: int) -> None:
    measured, jpeg = Rounds(), made == "jpeg"
    frames: dict[str, list[int]] = {"bare": [], "camera": []}
    for _ in range(rounds):
        measured.wait()
        frames["bare"].append(_bare(url, keys, jpeg, partial(measured.turn, "bare")))
        frames["camera"].append(asyncio.run(_camera(url, jpeg, partial(measured.turn, "camera"))))
    times = measured.times
    spent = {name: [a / b for a, b in zip(times.spent[name], frames[name], strict=True)] for name in frames}
    shares = [bare / camera for bare, camera in zip(spent["bare"], spent["camera"], strict=True)]
    share = statistics.median(shares)
    report(
        "rtsp",
        makes=made,
        codec=codec,
        decodes="keys" if keys else "all",
        share_of_bare_speed=round(share, 3),
        target=LEAST,
        reached=share >= LEAST,
        worst_round=round(min(shares), 3),
        frames={name: sum(counts) for name, counts in frames.items()},
        milliseconds_a_frame={name: round(1000 * statistics.median(each), 2) for name, each in spent.items()},
        others=times.others,
    )


def _cost(codec: str, gap: float, url: str) -> None:
    measured = Rounds()
    decoded = asyncio.run(_camera(url, True, partial(measured.turn, "camera"), "2 s"))
    (taken,), (spent,) = measured.times.taken["camera"], measured.times.spent["camera"]
    report(
        "rtsp default", codec=codec, seconds_between_key_frames=gap, percent_of_a_core=round(100 * spent / taken, 1),
        decoded=decoded,
    )  # fmt: skip


def _bare(url: str, keys: bool, jpeg: bool, turn: Turn) -> int:
    """Frames decoded between the first picture and the last."""
    with connect(address("rtsp")(url), 10, {}) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if keys:
            stream.codec_context.skip_frame = "NONKEY"
        frames = (frame for packet in container.demux(stream) for frame in packet.decode())
        next(frames)
        decoded, pictures, due = 0, 0, time.monotonic() + EVERY
        with turn():
            while pictures < PICTURES:
                frame = next(frames)
                decoded += 1
                if keys or time.monotonic() >= due:
                    due += EVERY
                    pictures += 1
                    if jpeg:
                        encode_jpeg(frame.to_ndarray(format="rgb24"))
                    else:
                        frame.to_ndarray()
    return decoded


async def _camera(url: str, jpeg: bool, turn: Turn, every: str = f"{1000 * EVERY:.0f} ms") -> int:
    """The same of the camera."""
    config = vol.Schema(dict(RTSP.config_schema))({"url": url, "every": every, "still_every": "0 s"})
    with tempfile.TemporaryDirectory() as folder:
        async with make_context(Path(folder)) as context, opened(config, context) as camera:
            take = _frames(camera) if jpeg else _shots(camera, config["every"].total_seconds())
            await anext(take)
            before = camera.video.decoded
            with turn():
                for _ in range(PICTURES):
                    await anext(take)
                return camera.video.decoded - before


async def _frames(camera: RtspCamera) -> AsyncIterator[object]:
    async for event in camera.events():
        if isinstance(event, Frame):
            yield event


async def _shots(camera: RtspCamera, every: float) -> AsyncIterator[object]:
    while True:
        began = time.monotonic()
        yield await camera.video.newest()
        await asyncio.sleep(max(0.0, began + every - time.monotonic()))


def _film(folder: Path, codec: str, gap: float, seconds: int) -> Path:
    """A lively scene with sensor noise, a key frame each `gap` seconds."""
    file = folder / f"{codec}-{gap}.mkv"
    random = np.random.default_rng(0)
    room = np.kron(random.integers(30, 220, (27, 48), dtype=np.uint8), np.ones((40, 40), np.uint8))
    noise = [random.normal(0, 3, (HEIGHT, WIDTH)).astype(np.int16) for _ in range(5)]
    keys = str(int(gap * RATE))
    options: Mapping[str, str] = {
        "h264": {"preset": "veryfast", "tune": "zerolatency", "g": keys, "b": "4M", "sc_threshold": "0"},
        "h265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": f"keyint={keys}:log-level=none"},
        "mjpeg": {"q": "5"},
    }[codec]
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream({"h264": "libx264", "h265": "libx265"}.get(codec, codec), rate=RATE)
        stream.width, stream.height, stream.options = WIDTH, HEIGHT, dict(options)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(seconds * RATE):
            grey = np.roll(room, 3 * number, axis=1) + noise[number % 5]
            pixels = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            pixels[:HEIGHT] = np.clip(grey, 16, 235)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode())
    return file
