"""What stands in for a USB camera in the tests' own process.

FFmpeg reads a pipe in the device's place, behind the function that opens it; through the pipe come the same packets as
from a camera. What opens devices is in test_v4l2.py, in a process of its own.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, cycle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from plugins.cameras.usb import camera

WIDTH, HEIGHT = 160, 120
BYTES = {"yuyv422": WIDTH * HEIGHT * 2, "nv12": WIDTH * HEIGHT * 3 // 2}


def pictures(kind: str) -> list[bytes]:
    """Two, as the device would deliver them in this format."""
    random = np.random.default_rng(1)
    if kind != "mjpeg":
        return [random.integers(40, 200, BYTES[kind], dtype=np.uint8).tobytes() for _ in range(2)]
    files = []
    for _ in range(2):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(file, "JPEG")
        files.append(file.getvalue())
    return files


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Call it with the format that the camera sends, 50 pictures a second."""
    numbers = count()
    unplugged = threading.Event()

    def send(pipe: Path, kind: str) -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as device:
            for picture in cycle(pictures(kind)):
                if unplugged.wait(0.02):
                    return
                device.write(picture)

    def plug_in(kind: str) -> None:
        def open_device(*_: Any) -> Any:
            pipe = tmp_path / f"device-{next(numbers)}"
            os.mkfifo(pipe)
            threading.Thread(target=send, args=(pipe, kind), daemon=True).start()
            raw = {"video_size": f"{WIDTH}x{HEIGHT}", "pixel_format": kind} if kind != "mjpeg" else {}
            container = "mjpeg" if kind == "mjpeg" else "rawvideo"
            options = {**raw, "framerate": "50", "probesize": "200000"}
            return av.open(str(pipe), format=container, options=options, timeout=5)

        monkeypatch.setattr(camera, "open_device", open_device)

    yield plug_in
    unplugged.set()
