"""The webcam's driver on streams that FFmpeg reads from a pipe in the device's place: no machine of ours has a camera.

What Video4Linux itself answers is asked of files that are no cameras.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import io
import logging
import os
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import voluptuous as vol

av = pytest.importorskip("av", reason="PyAV (Debian: python3-av) is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow (Debian: python3-pil) is not installed")

from node.camera import CameraError  # noqa: E402
from node.cameras import webcam  # noqa: E402
from node.cameras.webcam import Webcam, explain  # noqa: E402
from node.clock import BoardClock  # noqa: E402
from node.orders import Orders  # noqa: E402
from node.settings import SettingsError, read_settings  # noqa: E402

SIZE = (160, 120)
PATIENCE = 20.0
LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


class Device:
    """A pipe; what it is opened with decides what it sends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._end: int | None = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    async def send(self, *pictures: bytes) -> None:
        """Returns when they were read."""
        assert self._end is not None
        for picture in pictures:
            await asyncio.to_thread(os.write, self._end, picture)
        async with asyncio.timeout(PATIENCE):
            while struct.unpack("i", fcntl.ioctl(self._end, termios.FIONREAD, bytes(4)))[0]:
                await asyncio.sleep(0.005)

    def unplug(self) -> None:
        if self._end is not None:
            os.close(self._end)
            self._end = None


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "video0")
    yield made
    made.unplug()


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Call it with what FFmpeg is to take the pipe for."""
    return partial(monkeypatch.setattr, webcam, "FORMAT")


@asynccontextmanager
async def opened(device: Device, mask: Any = ()) -> AsyncIterator[Webcam]:
    orders = Orders(resolution=SIZE, mask=mask)
    async with webcam.open_camera({"device": str(device.path)}, orders, BoardClock()) as camera:
        yield camera
        device.unplug()  # before the camera: its thread ends when the pipe does


def jpeg(brightness: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", SIZE, (brightness,) * 3).save(out, "JPEG", quality=80)
    return out.getvalue()


def raw(brightness: int) -> bytes:
    """YUV420 of full grey."""
    pixels = SIZE[0] * SIZE[1]
    return bytes([brightness]) * pixels + bytes([128]) * (pixels // 2)


def without_tables(picture: bytes) -> bytes:
    """As many cameras send them: the Huffman tables are the standard's, and left out."""
    kept, at = bytearray(picture[:2]), 2
    while picture[at + 1] != 0xDA:
        length = 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        kept += b"" if picture[at + 1] == 0xC4 else picture[at : at + length]
        at += length
    return bytes(kept + picture[at:])


async def look(camera: Webcam) -> tuple[np.ndarray[Any, Any], bytes]:
    async with camera.look() as found:
        return found.luma.copy(), await found.jpeg(85)


async def looked(camera: Webcam, device: Device, picture: bytes) -> tuple[np.ndarray[Any, Any], bytes]:
    """Sends it until it is seen: a parser of JPEGs waits for the next before it lets one go."""
    looking = asyncio.create_task(look(camera))
    while not looking.done():
        await device.send(picture)
        await asyncio.sleep(0.005)
    return await looking


def pixels(picture: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L"))


@pytest.mark.parametrize("padding", [0, 100])
async def test_the_cameras_jpegs_are_kept_byte_for_byte(device: Device, form: Any, padding: int) -> None:
    form("mjpeg")
    sent = without_tables(jpeg(90))
    async with opened(device) as camera:
        luma, kept = await looked(camera, device, sent + bytes(padding))
    assert kept == sent
    assert luma.shape == (SIZE[1], SIZE[0])
    assert abs(int(luma.mean()) - 90) <= 2


async def test_what_is_no_whole_jpeg_is_passed_over(device: Device, form: Any) -> None:
    form("mjpeg")
    async with opened(device) as camera:
        looking = asyncio.create_task(look(camera))
        for _ in range(3):
            await device.send(jpeg(200)[:-100])
        while not looking.done():
            await device.send(jpeg(60))
        luma, _ = await looking
    assert abs(int(luma.mean()) - 60) <= 2


async def test_pictures_of_a_camera_without_jpegs_are_encoded(device: Device, form: Any) -> None:
    form("rawvideo")
    async with opened(device) as camera:
        luma, kept = await looked(camera, device, raw(120))
    assert pixels(kept).shape == luma.shape == (SIZE[1], SIZE[0])
    assert abs(int(pixels(kept).mean()) - int(luma.mean())) <= 2


@pytest.mark.parametrize(("which", "make"), [("mjpeg", jpeg), ("rawvideo", raw)])
async def test_what_is_masked_is_black_in_both(device: Device, form: Any, which: str, make: Any) -> None:
    form(which)
    async with opened(device, LEFT) as camera:
        luma, kept = await looked(camera, device, make(150))
    middle = SIZE[0] // 2
    assert luma[:, :middle].max() == 0
    assert pixels(kept)[:, : middle - 8].max() < 8
    assert luma[:, middle + 1 :].min() > 100
    assert pixels(kept)[:, middle + 8 :].min() > 100


async def test_a_look_does_not_get_what_the_device_had_before(device: Device, form: Any) -> None:
    """The last of those before may be under way when it is asked for."""
    form("rawvideo")
    async with opened(device) as camera:
        await looked(camera, device, raw(30))
        await device.send(*[raw(40)] * 4, raw(200))
        luma, _ = await looked(camera, device, raw(200))
    assert int(luma.mean()) > 190


async def test_a_look_that_is_cancelled_leaves_the_next_alone(device: Device, form: Any) -> None:
    form("rawvideo")
    async with opened(device) as camera:
        looking = asyncio.create_task(look(camera))
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        luma, _ = await looked(camera, device, raw(100))
    assert luma.size


async def test_a_camera_that_is_unplugged_says_so_at_every_look(device: Device, form: Any) -> None:
    form("rawvideo")
    async with opened(device) as camera:
        await looked(camera, device, raw(100))
        device.unplug()
        for _ in range(2):
            with pytest.raises(CameraError, match="sends nothing more"):
                await look(camera)


async def test_a_camera_that_hangs_is_given_up(
    device: Device, form: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread stays in the driver until the camera is unplugged; the node does not wait for it."""
    form("rawvideo")
    monkeypatch.setattr(webcam, "PATIENCE", 0.1)
    monkeypatch.setattr(webcam, "FAREWELL", 0.1)
    caplog.set_level(logging.WARNING)
    options = {"device": str(device.path)}
    async with webcam.open_camera(options, Orders(resolution=SIZE), BoardClock()) as camera:
        with pytest.raises(CameraError, match="sends no pictures: unplug it"):
            await look(camera)
    assert "does not end" in caplog.text
    assert "does not answer any more: unplug it" in explain(busy(), str(device.path))
    device.unplug()
    await asyncio.to_thread(camera._thread.join, 20)
    assert not camera._thread.is_alive()


async def test_without_jpegs_any_other_format_is_asked_for(
    device: Device, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    form("rawvideo")
    real, asked = av.open, []

    def open_as_video4linux_does(*where: Any, options: dict[str, str], **how: Any) -> Any:
        asked.append(options)
        if "input_format" in options:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(*where, options=options, **how)

    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=open_as_video4linux_does))
    async with opened(device) as camera:
        await looked(camera, device, raw(100))
    assert [options.get("input_format") for options in asked] == ["mjpeg", None]
    assert {options["video_size"] for options in asked} == {"160x120"}


@pytest.mark.parametrize(
    ("path", "says"),
    [("/dev/video987", "is not there: plug the camera in"), ("/dev/null", "takes no pictures: give `device` another")],
)
async def test_what_video4linux_answers_is_said_in_a_sentence(path: str, says: str) -> None:
    async with webcam.open_camera({"device": path}, Orders(), BoardClock()) as camera:
        with pytest.raises(CameraError, match=f"^{path} {says}"):
            await look(camera)


def busy() -> OSError:
    return OSError(errno.EBUSY, "Device or resource busy")


def test_errors_name_the_next_step(tmp_path: Path) -> None:
    plugged_in = tmp_path / "video0"
    plugged_in.touch()
    path = str(plugged_in)
    assert "sudo usermod -aG video USER" in explain(OSError(errno.EACCES, "Permission denied"), path)
    assert "used by another program" in explain(busy(), path)
    assert "is not there" in explain(OSError(errno.ENODEV, "No such device"), str(tmp_path / "unplugged"))
    assert "failed: Input/output error" in explain(OSError(errno.EIO, "Input/output error"), path)


def test_cameras_that_are_plugged_in_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("usb-Maker_Cam-video-index0", "usb-Maker_Cam-video-index1"):
        (tmp_path / name).touch()
    monkeypatch.setattr(webcam, "BY_ID", tmp_path)
    assert f"There are {tmp_path}/usb-Maker_Cam-video-index0." in explain(OSError(errno.ENOENT, ""), "/dev/video9")


@pytest.mark.parametrize("package", ["av", "PIL.Image"])
async def test_without_its_libraries_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CameraError, match="apt install --no-install-recommends python3-av python3-pil"):
        async with webcam.open_camera({"device": "/dev/video0"}, Orders(), BoardClock()):
            pass


def test_a_number_is_short_for_a_device(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("camera: {platform: webcam}\n")
    assert read_settings(file).options["device"] == "/dev/video0"
    for given, device in ((2, "/dev/video2"), ("/dev/v4l/by-id/x", "/dev/v4l/by-id/x")):
        file.write_text(f"camera: {{platform: webcam, device: {given}}}\n")
        assert read_settings(file).options["device"] == device
    for bad in ("video0", "-1", "true"):
        file.write_text(f"camera: {{platform: webcam, device: {bad}}}\n")
        with pytest.raises(SettingsError, match="is no device"):
            read_settings(file)
    with pytest.raises(vol.Invalid):
        vol.Schema(webcam.CONFIG_SCHEMA)({"rate": 3})
