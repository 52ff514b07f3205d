"""What the usb camera makes of devices that are missing, closed, busy or no cameras, and of raw pictures."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from PIL import Image

from hub.plugin import Frame, NeedsHuman, NotReady, PluginError
from plugins.cameras.usb import camera, fras_plugins
from tests.support.context import make_context

from .conftest import pictures

(USB,) = fras_plugins()


def config(**more: Any) -> dict[str, Any]:
    checked: dict[str, Any] = vol.Schema(dict(USB.config_schema))({"every": "20 ms", **more})
    return checked


async def refusal(folder: Path, device: str, **more: Any) -> PluginError:
    async with make_context(folder) as context:
        assert USB.probe is not None
        with pytest.raises(PluginError) as raised:
            await USB.probe({**config(**more), "device": device}, context)
    return raised.value


@pytest.mark.parametrize(
    ("given", "device"),
    [(0, "/dev/video0"), ("2", "/dev/video2"), ("/dev/v4l/by-id/usb-x", "/dev/v4l/by-id/usb-x"), (None, "/dev/video0")],
)
def test_a_number_is_short_for_a_device(given: object, device: str) -> None:
    assert config(**({} if given is None else {"device": given}))["device"] == device


@pytest.mark.parametrize("bad", [{"device": "video0"}, {"device": True}, {"device": -1}, {"size": "big"},
                                 {"size": "0x9"}, {"rate": 0}, {"every": "0 s"}, {"every": "11 min"},
                                 {"timeout": "0 s"}, {"timeout": "5 min"}])  # fmt: skip
def test_nonsense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        config(**bad)


async def test_a_missing_device_may_still_be_plugged_in(tmp_path: Path) -> None:
    error = await refusal(tmp_path, str(tmp_path / "video0"))
    assert isinstance(error, NotReady)
    assert "is not there" in error.message


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
async def test_a_device_that_is_no_camera_needs_a_person(tmp_path: Path, device: str) -> None:
    error = await refusal(tmp_path, device)
    assert isinstance(error, NeedsHuman)
    assert "is no camera" in error.message


async def test_a_file_is_no_camera(tmp_path: Path) -> None:
    file = tmp_path / "video0"
    file.touch()
    assert isinstance(await refusal(tmp_path, str(file)), NeedsHuman)


async def test_a_device_without_its_driver_is_not_there(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    try:
        os.mknod(device, 0o20600, os.makedev(81, 63))
        allowed = os.access(device, os.R_OK)
    except PermissionError:
        allowed = False
    if not allowed or os.statvfs(tmp_path).f_flag & os.ST_NODEV:
        pytest.skip("only root may make a device and open it, and not in every folder")
    error = await refusal(tmp_path, str(device))
    assert isinstance(error, NotReady)
    assert "is not there" in error.message


async def test_a_device_of_others_needs_a_person(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    async with make_context(tmp_path) as context:
        assert USB.probe is not None
        us = os.geteuid()
        os.seteuid(us or 65534)  # root may open everything
        try:
            with pytest.raises(NeedsHuman, match="usermod -aG video"):
                await USB.probe({**config(), "device": str(device)}, context)
        finally:
            os.seteuid(us)


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (errno.EBUSY, "used by another program"),
        (errno.ENODEV, "went away"),
        (errno.EIO, "went away"),
        (errno.ENOMEM, "failed: Cannot allocate memory"),
    ],
)
def test_what_else_may_happen_is_tried_again(number: int, meaning: str) -> None:
    told = camera.explain(OSError(number, os.strerror(number)), "/dev/video0", False)
    assert isinstance(told, NotReady)
    assert meaning in told.message


@pytest.mark.parametrize("kind", ["mjpeg", "yuyv422", "nv12"])
async def test_what_cameras_send_becomes_jpeg(tmp_path: Path, stand_in: Callable[[str], None], kind: str) -> None:
    stand_in(kind)
    async with make_context(tmp_path) as context, USB.open(config(), context) as opened:
        frame = await anext(aiter(opened.events()))
    assert isinstance(frame, Frame)
    with Image.open(io.BytesIO(frame.image)) as image:
        assert image.size == (160, 120)
    assert (frame.image in pictures(kind)) == (kind == "mjpeg")


async def test_the_probe_says_what_there_is(tmp_path: Path, stand_in: Callable[[str], None]) -> None:
    stand_in("yuyv422")
    async with make_context(tmp_path) as context:
        assert USB.probe is not None
        assert await USB.probe(config(device=1), context) == "/dev/video1: RAWVIDEO 160×120, 50 frames/s"
