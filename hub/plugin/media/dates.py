"""When a photo was taken, from its own metadata."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from .stills import open_image

_EXIF: Final = 0x8769
_DATE_TIME_ORIGINAL: Final = 0x9003
_OFFSET_TIME_ORIGINAL: Final = 0x9011
_SUB_SEC_TIME_ORIGINAL: Final = 0x9291
_DATE: Final = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)

EARLIEST: Final = datetime(1995, 10, 1, tzinfo=UTC)
"""EXIF's first edition (JEIDA, October 1995): any earlier date is a camera whose clock was never set."""

AHEAD: Final = timedelta(days=366)
"""How far after now a capture time may lie; a clock that is further ahead says nothing."""


def captured_at(data: bytes, zone: tzinfo, *, file_time: datetime, now: datetime) -> datetime:
    """When the photo in `data` was taken, UTC: EXIF's DateTimeOriginal, else `file_time`. Never raises.

    Without OffsetTimeOriginal the time is the wall clock of `zone`, where an hour that occurs twice means its
    first pass. Dates before EXIF existed or more than a year after `now` count as absent. Tags: EXIF 2.32 (CIPA
    DC-008-2019), 4.6.5.
    """
    tags = _tags(data)
    local = _local(tags.get(_DATE_TIME_ORIGINAL), tags.get(_SUB_SEC_TIME_ORIGINAL))
    if local is None:
        return file_time.astimezone(UTC)
    found = in_utc(local.replace(tzinfo=_offset(tags.get(_OFFSET_TIME_ORIGINAL)) or zone))
    return found if found and plausible(found, now) else file_time.astimezone(UTC)


def plausible(moment: datetime, now: datetime) -> bool:
    return EARLIEST <= moment <= now + AHEAD


def in_utc(moment: datetime) -> datetime | None:
    """None where `moment` lies outside what a datetime can hold."""
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _tags(data: bytes) -> dict[int, object]:
    try:
        with open_image(data) as image:
            return dict(image.getexif().get_ifd(_EXIF))
    except Exception:  # metadata is a bonus; a damaged image is reported by decode()
        return {}


def _local(value: object, fraction: object) -> datetime | None:
    match = _DATE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    digits = fraction.strip("\0 ") if isinstance(fraction, str) else ""
    micros = int(digits[:6].ljust(6, "0")) if digits.isascii() and digits.isdigit() else 0
    try:
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        return datetime(year, month, day, hour, minute, second, micros)  # noqa: DTZ001 the caller knows the zone
    except ValueError:
        return None


def _offset(value: object) -> timezone | None:
    match = _OFFSET.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    length = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if length > timedelta(hours=14):
        return None
    return timezone(-length if match[1] == "-" else length)
