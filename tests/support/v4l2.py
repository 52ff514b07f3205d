"""A Video4Linux camera for a process of its own, in which the usb camera runs as it would at a real one.

No machine that tests run on has a camera, and none may load a kernel module that makes one: fake_v4l2.c stands in for
the kernel. This file is both ends, as in rtsp_server.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).with_name("fake_v4l2.c")
COMPILER = shutil.which("cc")
HEADER = Path("/usr/include/linux/videodev2.h")


class Said(NamedTuple):
    """What the program answers: "ok" with what it found, or the class of an error and its message."""

    how: str
    what: str


class Webcam:
    """Use `plugged_in`. What `does` is named in fake_v4l2.c."""

    def __init__(self, folder: Path, program: subprocess.Popen[str]) -> None:
        self.folder = folder
        self._program = program
        self.pictures = [hashlib.sha256((folder / f"{number}.jpg").read_bytes()).hexdigest() for number in range(2)]

    @property
    def asked(self) -> str:
        """Format, size and rate that it was set to."""
        return (self.folder / "asked").read_text()

    def does(self, *what: str) -> None:
        for name in ("busy", "raw", "unplugged", "hangs", "forbidden", "upset"):
            (self.folder / name).unlink(missing_ok=True)
        for name in what:
            (self.folder / name).touch()

    def open(self, **config: Any) -> Said:
        return self._say("open", config)

    def probe(self) -> Said:
        return self._say("probe")

    def frame(self) -> Said:
        """Width, height and SHA-256 of the next picture."""
        return self._say("frame")

    def last(self) -> Said:
        """Closes the camera, and then makes a JPEG of a picture that was taken before."""
        return self._say("last")

    def _say(self, *words: Any) -> Said:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(words) + "\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        assert line, f"the program ended: {self._program.wait()}"
        return Said(*json.loads(line))


def library(folder: Path) -> Path:
    """The stand-in, compiled. Skips the test where there is no compiler."""
    import pytest

    if COMPILER is None or not HEADER.exists():
        pytest.skip("no C compiler with Linux's headers: install gcc and libc6-dev")
    made = folder / "fake_v4l2.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], check=True)
    return made


@contextmanager
def plugged_in(folder: Path, stand_in: Path, size: tuple[int, int] = (320, 240)) -> Iterator[Webcam]:
    from tests.support.media import image_file, scene

    for number in range(2):
        (folder / f"{number}.jpg").write_bytes(image_file(scene(*size, seed=number)))
    environment = {**os.environ, "LD_PRELOAD": str(stand_in), "FAKE_V4L2": str(folder)}
    command = [sys.executable, "-m", "tests.support.v4l2", str(folder)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SOURCE.parents[2]
    ) as program:
        try:
            yield Webcam(folder, program)
        finally:
            program.kill()


async def _obey(folder: Path) -> None:
    import voluptuous as vol
    from PIL import Image

    from hub.plugin import Frame, NotReady, PluginError
    from hub.plugin.testing import make_context
    from plugins.cameras.usb import camera, fras_plugins

    def described(image: bytes) -> str:
        with Image.open(io.BytesIO(image)) as picture:
            picture.load()
            return f"{picture.width}x{picture.height} {hashlib.sha256(image).hexdigest()}"

    (usb,) = fras_plugins()
    async with AsyncExitStack() as whole, make_context(folder) as context:
        stack = await whole.enter_async_context(AsyncExitStack())
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *given = json.loads(line)
            try:
                if word in ("open", "probe"):
                    asked = {"every": "20 ms", "still_every": "0 s", **(given[0] if given else {})}
                    config = {**vol.Schema(dict(usb.config_schema))(asked), "device": str(folder / "video0")}
                if word == "probe":
                    said = Said("ok", await camera.probe(config, context))
                elif word == "open":
                    await stack.aclose()
                    opened = await stack.enter_async_context(camera.opened(config, context))
                    frames = (event async for event in opened.events() if isinstance(event, Frame))
                    said = Said("ok", str(opened.video.opened))
                elif word == "frame":
                    said = Said("ok", described((await anext(frames)).image))
                else:
                    shot = await opened.video.newest()
                    await stack.aclose()
                    said = Said("ok", described(await asyncio.to_thread(shot.jpeg)))
            except PluginError as error:
                said = Said((NotReady if isinstance(error, NotReady) else type(error)).__name__, error.message)
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(_obey(Path(sys.argv[1])))
