"""From a file to its frames; everything here blocks and runs in a thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import datetime, timedelta, tzinfo

from hub.plugin import Frame
from hub.plugin.media import MOST_BYTES, Unreadable, captured_at, encode_jpeg, movie, recorded_at

from .found import Found

EPOCH = 1
"""The pairing epoch of files: they keep their numbers for ever."""

JPEG_QUALITY = 95
"""Of frames cut from videos: recognition should not pay for a second compression."""


def still(found: Found, zone: tzinfo, now: datetime) -> Frame:
    """The image file as it is, even if it turns out to be damaged: the hub says why when it decodes it.

    Raises Unreadable only for a file too large to hand on, OSError when it cannot be read.
    """
    with found.path.open("rb") as file:
        image = file.read(MOST_BYTES + 1)
    if len(image) > MOST_BYTES:
        raise Unreadable(f"an image file of more than {MOST_BYTES // 10**6} MB is left out")
    taken = captured_at(image, zone, file_time=found.file_time, now=now)
    return Frame(EPOCH, found.key, taken, image, origin=found.origin)


def frames(found: Found, every: timedelta, zone: tzinfo, now: datetime) -> Generator[Frame, None, None]:
    """A video's frames, `every` apart (all with 0), captured at its start + pts. Raises as `movie`."""
    start = recorded_at(found.path, zone, file_time=found.file_time, now=now)
    with closing(movie(found.path, every=every or None)) as shots:
        for at, pixels in shots:
            yield Frame(
                EPOCH,
                found.seq(at),
                start + at,
                encode_jpeg(pixels, JPEG_QUALITY),
                origin=f"{found.origin}#t={at.total_seconds():.2f}s",
            )
