"""The fake itself, held against what picamera2 documents of its arrays and requests (its manual, and `request.py`).

Names of formats are libcamera's, which are DRM's and go by little-endian words: bytes lie in memory in the reverse
order of the letters. picamera2 reads an array of "RGB888" as PIL's "BGR", and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.fake_picamera2 import PADDING, Board, CompletedRequest, MappedArray, Picamera2, installed

IN_MEMORY = {"RGB888": "BGR", "BGR888": "RGB", "XRGB8888": "BGRX", "XBGR8888": "RGBX"}
ORANGE = (129, 61, 197)
"""(luma, u, v) of red 226, green 103, blue 10 (JFIF), so that every order shows."""
CHANNELS = {"R": 226, "G": 103, "B": 10, "X": 255}


@contextmanager
def taken(form: str, size: tuple[int, int] = (604, 450)) -> Iterator[tuple[Board, Picamera2, CompletedRequest]]:
    """A request whose main stream has this format; rows of 604 pixels are padded in every one of them."""
    with installed() as board:
        board.colour = ORANGE
        camera = Picamera2()
        lores = {"size": (320, 240), "format": "YUV420"}
        camera.configure(camera.create_preview_configuration({"size": size, "format": form}, lores))
        camera.start()
        request = camera.capture_request()
        try:
            yield board, camera, request
        finally:
            request.release()
            camera.close()


@pytest.mark.parametrize("form", IN_MEMORY)
def test_bytes_lie_in_the_reverse_order_of_the_formats_name(form: str) -> None:
    with taken(form) as (_, _, request):
        array = request.make_array("main")
    assert array.shape == (450, 604, len(IN_MEMORY[form]))
    for place, channel in enumerate(IN_MEMORY[form]):
        assert abs(array[..., place].astype(int) - CHANNELS[channel]).max() <= 1, channel


@pytest.mark.parametrize("form", IN_MEMORY)
def test_padding_is_cut_off_where_a_pixel_is_whole_bytes(form: str) -> None:
    with taken(form) as (_, camera, request):
        stride = camera.camera_configuration()["main"]["stride"]
        row = request.buffers["main"][:stride]
        whole = 604 * len(IN_MEMORY[form])
        assert stride > whole
        assert stride % 32 == 0
        assert (row[whole:] == PADDING).all()
        assert request.make_array("main").reshape(450, -1).shape[1] == whole


def test_yuv420_keeps_its_padding_and_is_half_as_high_again() -> None:
    """Luma, then u and v, whose rows are half a stride each."""
    with taken("YUV420") as (_, camera, request):
        stride = camera.camera_configuration()["main"]["stride"]
        array = request.make_array("main")
        assert array.shape == (450 * 3 // 2, stride)
        assert stride == 640
        assert (array[:450, 604:] == PADDING).all()
        u, v = array[450:].reshape(2, 225, 320)
        assert (u[:, :302] == ORANGE[1]).all()
        assert (v[:, :302] == ORANGE[2]).all()


@pytest.mark.parametrize("form", [*IN_MEMORY, "YUV420"])
def test_an_array_is_a_copy_and_a_mapped_one_is_the_buffer(form: str) -> None:
    def blacken(array: Any) -> None:
        array[:] = 0

    with taken(form) as (_, _, request):
        blacken(request.make_array("main"))
        assert request.make_array("main").any()
        with MappedArray(request, "main") as mapped:
            blacken(mapped.array)
        assert not request.make_array("main").any()


def test_a_request_is_released_as_often_as_it_was_acquired() -> None:
    with taken("RGB888") as (_, camera, request):
        request.acquire()
        request.release()
        assert request in camera.out
        second = camera.capture_request()
        second.release()
        with pytest.raises(RuntimeError, match="ref_count 0"):
            second.acquire()
        with pytest.raises(RuntimeError, match="negative ref_count"):
            second.release()
