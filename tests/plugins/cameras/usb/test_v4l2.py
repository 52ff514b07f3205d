"""The usb camera at a Video4Linux device: how it is opened, what it gives, and what becomes of it when that goes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.v4l2 import Webcam, library, plugged_in

CONTRACT = Path(__file__).with_name("contract_at_v4l2.py")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("v4l2"))


@pytest.fixture(scope="module")
def running(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webcam]:
    with plugged_in(tmp_path_factory.mktemp("webcam"), stand_in) as webcam:
        yield webcam


@pytest.fixture
def webcam(running: Webcam) -> Webcam:
    running.does()
    return running


def test_jpeg_is_asked_for_and_passed_on(webcam: Webcam) -> None:
    assert webcam.open() == ("ok", "MJPEG 320×240, 30 frames/s")
    assert webcam.asked == "MJPG 320x240 30"
    seen = {webcam.frame() for _ in range(4)}
    assert seen == {("ok", f"320x240 {picture}") for picture in webcam.pictures}


def test_a_camera_without_jpeg_gives_what_it_has(webcam: Webcam) -> None:
    webcam.does("raw")
    assert webcam.open(size="640x480", rate=5) == ("ok", "RAWVIDEO 640×480, 5 frames/s")
    assert webcam.asked == "YUYV 640x480 5"
    assert webcam.frame().what.startswith("640x480 ")
    assert webcam.open(size="320x240", rate=30).how == "ok"


def test_a_size_that_it_does_not_have_is_replaced_by_its_own(webcam: Webcam) -> None:
    assert webcam.open(size="1920x1080") == ("ok", "MJPEG 320×240, 30 frames/s")


def test_another_program_has_it_and_then_no_more(webcam: Webcam) -> None:
    webcam.does("busy")
    how, what = webcam.open()
    assert how == "NotReady"
    assert what.endswith("is used by another program")
    how, what = webcam.probe()
    assert how == "ok"
    assert "in use, perhaps by the running hub" in what
    webcam.does()
    assert webcam.open().how == "ok"


@pytest.mark.parametrize("kind", ["mjpeg", "raw"])
def test_unplugged_and_plugged_in_again(webcam: Webcam, kind: str) -> None:
    webcam.does(kind)
    assert webcam.open().how == "ok"
    assert webcam.frame().how == "ok"
    webcam.does(kind, "unplugged")
    while (said := webcam.frame()).how == "ok":
        pass
    assert said.how == "NotReady"
    assert said.what.endswith("went away")
    assert webcam.open().what.endswith("is not there")
    webcam.does(kind)
    assert webcam.open().how == "ok"
    assert webcam.frame().how == "ok"


def test_what_worked_is_tried_again_whatever_it_refuses(webcam: Webcam) -> None:
    """As while udev has not yet given a camera that was plugged in again to its group."""
    assert webcam.open().how == "ok"
    assert webcam.frame().how == "ok"
    webcam.does("upset")
    while (said := webcam.frame()).how == "ok":
        pass
    assert said.how == "NotReady"
    assert "is no camera, or does not offer" in said.what
    webcam.does("forbidden")
    how, what = webcam.open()
    assert how == "NotReady"
    assert what.endswith("may not be used by the hub's user")
    assert webcam.probe().how == "NeedsHuman"
    webcam.does()
    assert webcam.open().how == "ok"


def test_a_driver_that_hangs_is_given_up(webcam: Webcam) -> None:
    assert webcam.open(timeout="1 s").how == "ok"
    webcam.does("hangs")
    while (said := webcam.frame()).how == "ok":
        pass
    assert said == ("NotReady", "the camera has sent nothing for 1 s")


def test_a_picture_outlives_its_device(webcam: Webcam) -> None:
    """It is compressed in a thread of its own, perhaps after somebody has pulled the plug."""
    webcam.does("raw")
    assert webcam.open().how == "ok"
    assert webcam.last().what.startswith("320x240 ")


def test_it_keeps_the_contract_of_cameras(stand_in: Path, webcam: Webcam) -> None:
    """What of it has to do with the device."""
    chosen = "yields or times or stops_cleanly or leaves_no_file or probe"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", CONTRACT, "-k", chosen],
        env={**os.environ, "LD_PRELOAD": str(stand_in), "FAKE_V4L2": str(webcam.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
