"""The driver of the camera module, on a fake that holds what picamera2 documents. A test a fact."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import voluptuous as vol

from node.camera import CameraError
from node.cameras import picamera2
from node.cameras.exposure import LOOKS
from node.cameras.picamera2 import PiCamera
from node.clock import BoardClock
from node.encoding import LARGEST, size_of
from node.orders import Orders
from tests.support.fake_picamera2 import Board, installed, planes

WINDOW = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
ODD = (600, 450)
"""Rows of this width are padded, in both streams."""


@asynccontextmanager
async def opened(orders: Orders | None = None, **options: Any) -> AsyncIterator[PiCamera]:
    checked = vol.Schema(picamera2.CONFIG_SCHEMA)(options)
    async with picamera2.open_camera(checked, orders or Orders(resolution=ODD), BoardClock()) as camera:
        yield camera


async def picture(camera: PiCamera, quality: int = 85) -> tuple[Any, Any, Any]:
    async with camera.look() as look:
        return planes(await look.jpeg(quality))


async def test_every_request_is_released_once_whatever_happens_in_between() -> None:
    """A camera has three buffers; the fake counts them at each look and at the end."""
    with installed():
        async with opened() as camera:
            for _ in range(8):
                async with camera.look() as look:
                    await look.jpeg(85)
            for _ in range(8):
                with pytest.raises(ZeroDivisionError):
                    async with camera.look():
                        1 / 0  # noqa: B018


async def test_a_look_that_is_cancelled_gives_its_request_back() -> None:
    with installed():
        async with opened() as camera:
            for wait in (0.0, 0.001, 0.01):
                looking = asyncio.create_task(picture(camera))
                await asyncio.sleep(wait)
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                await asyncio.sleep(0.1)
            await picture(camera)


@pytest.mark.parametrize("hardware", [True, False])
async def test_rows_are_longer_than_the_picture_is_wide(hardware: bool) -> None:
    with installed(hardware=hardware) as board:
        async with opened() as camera:
            async with camera.look() as look:
                assert look.luma.shape == (450, 600)
                assert (look.luma == board.colour[0] + np.arange(600) % 5).all()
            luma, u, v = await picture(camera)
        assert (luma == board.colour[0] + np.arange(600) % 5).all()
        assert (u == board.colour[1]).all()
        assert (v == board.colour[2]).all()


async def test_a_look_outlives_its_request_unchanged() -> None:
    """Buffers are written over once released; whoever kept the array must not see that."""
    with installed():
        async with opened() as camera:
            async with camera.look() as look:
                kept = look.luma
                before = kept.copy()
            assert (kept == before).all()


async def test_the_streams_as_configured() -> None:
    with installed() as board:
        for size, small in (((1640, 1232), (638, 480)), ((600, 450), (600, 450)), ((333, 101), (332, 100))):
            async with opened(Orders(resolution=size)):
                assert board.driver is not None
                config = board.driver.camera_configuration()
                assert config["lores"]["size"] == small
                assert {config[name]["format"] for name in ("main", "lores")} == {"YUV420"}


@pytest.mark.parametrize("clock", [time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC])
async def test_a_capture_is_when_the_light_fell_in(clock: int) -> None:
    with installed(clock=clock):
        async with opened() as camera, camera.look() as look:
            now = BoardClock().now()
            assert 40_000 <= now.mono - look.at.mono < 5_000_000
            assert abs((now.wall - look.at.wall) - (now.mono - look.at.mono)) < 100_000


@pytest.mark.parametrize("hardware", [True, False])
async def test_what_is_masked_is_black_in_what_is_compared_and_in_what_is_sent(hardware: bool) -> None:
    with installed(hardware=hardware) as board:
        async with opened(Orders(resolution=ODD, mask=WINDOW)) as camera, camera.look() as look:
            luma, u, v = planes(await look.jpeg(85))
        assert not look.luma[:, :300].any()
        assert look.luma[:, 301:].all()
        assert not luma[:, :300].any()
        assert luma[:, 301:].all()
        for colours, there in ((u, board.colour[1]), (v, board.colour[2])):
            assert (colours[:, :150] == 128).all()
            assert (colours[:, 151:] == there).all()


class TestEncoder:
    async def test_the_boards_own_is_started_once_and_for_each_quality(self) -> None:
        with installed() as board:
            async with opened() as camera:
                for quality in (85, 85, 60):
                    await picture(camera, quality)
            first, second = board.encoders
            assert first.bitrate is not None
            assert second.bitrate is not None
            assert first.bitrate > second.bitrate

    async def test_a_picture_that_does_not_fit_its_buffer_is_made_by_the_processor(self) -> None:
        with installed() as board:
            board.truncates = True
            async with opened() as camera:
                luma, _, _ = await picture(camera)
            assert luma.shape == (450, 600)

    @pytest.mark.parametrize(
        ("of_board", "orders", "options"),
        [
            ({"hardware": False}, Orders(), {}),
            ({}, Orders(resolution=(2304, 1296)), {}),
            ({}, Orders(), {"hardware": False}),
        ],
        ids=["a Pi 5 has none", "too large", "switched off"],
    )
    async def test_without_the_boards_own(
        self, of_board: dict[str, Any], orders: Orders, options: dict[str, Any]
    ) -> None:
        with installed(**of_board) as board:
            async with opened(orders, **options) as camera:
                await picture(camera)
            assert board.encoders == []

    async def test_pillow_where_simplejpeg_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = pytest.importorskip("PIL.Image", reason="there is no Pillow")
        from io import BytesIO

        with installed(hardware=False) as board:
            import sys

            sys.modules["simplejpeg"].__dict__.pop("encode_jpeg_yuv_planes")
            async with opened() as camera, camera.look() as look:
                jpeg = await look.jpeg(90)
            red, green, blue = image.open(BytesIO(jpeg)).convert("RGB").getpixel((300, 200))
            assert board.colour == (100, 90, 240)
            assert red > 200 > 100 > max(green, blue)

    def test_sizes_aimed_at(self) -> None:
        assert size_of(50, 640, 480) < size_of(85, 640, 480) < size_of(85, 1640, 1232) <= LARGEST


class TestControls:
    async def test_short_exposures_and_few_frames(self) -> None:
        with installed() as board:
            async with opened(Orders(resolution=ODD, interval=1.0)):
                assert board.driver is not None
                wanted = board.driver.camera_configuration()["controls"]
        assert wanted == {"FrameDurationLimits": (200_000, 200_000), "AeExposureMode": 1}

    async def test_focus_where_there_is_one(self) -> None:
        with installed(autofocus=True) as board:
            async with opened(exposure="long", gain=8, rotate=180):
                assert board.driver is not None
                config = board.driver.camera_configuration()
        assert config["controls"]["AfMode"] == 2
        assert config["controls"]["AeExposureMode"] == 2
        assert config["controls"]["AnalogueGain"] == 8.0
        assert config["transform"] == (True, True)


class TestNight:
    DARK, BRIGHT = (30, 128, 128), (110, 128, 128)

    async def mode(self, camera: PiCamera, board: Board) -> int:
        """Of automatic exposure, after some looks: 1 short, 2 long."""
        for _ in range(LOOKS + 1):
            async with camera.look():
                pass
        assert board.driver is not None
        found: int = board.driver.camera_configuration()["controls"]["AeExposureMode"]
        return found

    async def test_exposures_are_long_while_short_ones_are_too_dark(self) -> None:
        with installed() as board:
            async with opened() as camera:
                assert await self.mode(camera, board) == 1
                board.lux, board.colour = 3, self.DARK
                assert await self.mode(camera, board) == 2
                board.colour = self.BRIGHT
                assert await self.mode(camera, board) == 2, "bright because it is long"
                board.lux = 8
                assert await self.mode(camera, board) == 2
                board.lux = 30
                assert await self.mode(camera, board) == 1

    async def test_a_dark_picture_by_daylight_is_not_night(self) -> None:
        with installed() as board:
            board.colour = self.DARK
            async with opened() as camera:
                assert await self.mode(camera, board) == 1

    async def test_what_is_masked_is_not_dark(self) -> None:
        with installed() as board:
            board.lux, board.colour = 3, (80, 128, 128)
            async with opened(Orders(resolution=ODD, mask=WINDOW)) as camera:
                assert await self.mode(camera, board) == 1

    async def test_what_was_chosen_stays(self) -> None:
        with installed() as board:
            board.lux, board.colour = 3, self.DARK
            async with opened(exposure="short") as camera:
                assert await self.mode(camera, board) == 1


class TestFaults:
    async def test_no_such_camera(self) -> None:
        with installed(cameras=0), pytest.raises(CameraError, match="ribbon cable"):
            async with opened():
                pass

    async def test_a_camera_that_is_in_use(self) -> None:
        with installed():
            async with opened():
                with pytest.raises(CameraError):
                    async with opened():
                        pass

    async def test_not_installed(self) -> None:
        with pytest.raises(CameraError, match="apt install"):
            async with opened():
                pass

    async def test_a_driver_that_hangs_is_closed(self) -> None:
        def hang(board: Board) -> None:
            board.hangs = True

        with installed() as board:
            async with opened() as camera:
                hang(board)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await picture(camera)

    async def test_what_the_driver_says_is_told(self) -> None:
        with installed() as board:
            async with opened() as camera:
                assert board.driver is not None
                board.driver.started = False
                with pytest.raises(CameraError, match="The camera failed: the camera does not run"):
                    await picture(camera)
