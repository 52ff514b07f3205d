"""When a photo was taken: EXIF in the school's zone, unless it is absurd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin.media import captured_at
from tests.support.media import exif, image_file, scene

BERLIN = ZoneInfo("Europe/Berlin")
FILE_TIME = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def taken(data: bytes) -> datetime:
    return captured_at(data, BERLIN, file_time=FILE_TIME, now=NOW)


def photo(kind: str = "JPEG", **tags: str) -> bytes:
    return image_file(scene(16, 16), kind, exif=exif(**tags))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_local_time_of_the_school(kind: str) -> None:
    assert taken(photo(kind, taken="2026:07:01 09:05:07")) == datetime(2026, 7, 1, 7, 5, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026:03:29 01:59:59", "2026-03-29 00:59:59"),
        ("2026:03:29 03:00:00", "2026-03-29 01:00:00"),
        ("2026:10:25 01:59:59", "2026-10-24 23:59:59"),
        ("2026:10:25 02:30:00", "2026-10-25 00:30:00"),  # occurs twice: the first pass
        ("2026:10:25 03:00:00", "2026-10-25 02:00:00"),
    ],
)
def test_daylight_saving(local: str, utc: str) -> None:
    assert taken(photo(taken=local)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(("offset", "hour"), [("+02:00", 7), ("-05:30", 14), ("+00:00", 9), ("Z", 8), ("+99:00", 8)])
def test_the_cameras_own_offset_comes_first(offset: str, hour: int) -> None:
    assert taken(photo(taken="2026:01:15 09:05:00", offset=offset)).hour == hour


@pytest.mark.parametrize(
    ("fraction", "micros"), [("5", 500_000), ("042", 42_000), ("1234567", 123_456), ("x", 0), ("", 0)]
)
def test_fractions_of_a_second(fraction: str, micros: int) -> None:
    assert taken(photo(taken="2026:01:15 09:05:00", fraction=fraction)).microsecond == micros


@pytest.mark.parametrize(
    "absurd",
    [
        "0000:00:00 00:00:00",
        "1970:01:01 00:00:00",
        "1980:01:01 00:00:00",
        "2099:01:01 00:00:00",
        "9999:12:31 23:59:59",
        "2026:13:01 00:00:00",
        "2026:02:30 00:00:00",
        "    :  :     :  :  ",
        "yesterday",
        "",
    ],
)
def test_absurd_dates_fall_back_to_the_file(absurd: str) -> None:
    assert taken(photo(taken=absurd)) == FILE_TIME


@pytest.mark.parametrize("data", [b"", b"no image", image_file(scene(16, 16)), photo(taken="2026:01:02 03:04:05")[:60]])
def test_without_a_date_the_file_decides(data: bytes) -> None:
    assert taken(data) == FILE_TIME


def test_a_cut_off_photo_still_has_its_date() -> None:
    data = photo(taken="2026:07:01 09:05:00")
    assert taken(data[:-50]) == datetime(2026, 7, 1, 7, 5, tzinfo=UTC)


def test_the_file_time_is_given_in_utc() -> None:
    local = FILE_TIME.astimezone(BERLIN)
    found = captured_at(b"", BERLIN, file_time=local, now=NOW)
    assert found == FILE_TIME
    assert found.utcoffset() == timedelta(0)


@given(at=st.integers(0, 400), new=st.binary(min_size=1, max_size=6))
def test_damaged_metadata_never_raises(at: int, new: bytes) -> None:
    data = bytearray(photo(taken="2026:07:01 09:05:00", offset="+02:00", fraction="5"))
    data[at : at + len(new)] = new
    assert taken(bytes(data)).utcoffset() == timedelta(0)
