"""Videos and animated GIFs: their frames, one at a time, and when they were recorded."""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..types import Pixels
from .dates import in_utc, plausible
from .stills import MOST_PIXELS, Unreadable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
"""What FFmpeg may take a file for: never a playlist that makes it open other files or addresses."""

_DECLARED: Final = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers whose header says how long they are; for others FFmpeg guesses."""

_SLACK: Final = Fraction(1)
"""Seconds by which a video may fall short of the length its header declares."""

_MOST_DAMAGE: Final = 200
"""Packets in a row that cannot be decoded before a video is given up."""


def movie(path: Path, *, every: timedelta | None = None) -> Generator[tuple[timedelta, Pixels], None, None]:
    """The frames of the video or GIF at `path` with their time since the first; upright.

    With `every`, the first frame and then one a stretch of `every` of video time; the others are decoded, since
    later ones build on them, but not converted. Packets that cannot be decoded are left out. Raises Unreadable
    when nothing can be decoded, and after the last good frame when the video ends before it should; OSError when
    the file cannot be opened or its disk fails. Exhausting or closing the iterator closes the file.
    """
    with path.open("rb") as file, _opened(file) as container:
        stream = _video(container)
        due = timedelta(0)
        count = 0
        for at, frame in _frames(container, stream):
            count += 1
            if at < due:
                continue
            if every:
                due = (at // every + 1) * every
            yield at, _upright(frame)
        if not count:
            raise Unreadable("holds no picture that can be decoded")
        if container.format.name == "gif" and not _finished_gif(file):
            raise Unreadable(f"the animation is cut off after {_seconds(at)}")


def recorded_at(path: Path, zone: tzinfo, *, file_time: datetime, now: datetime) -> datetime:
    """When the video at `path` begins, UTC: what its container says, else `file_time`. Never raises."""
    try:
        with path.open("rb") as file, _opened(file) as container:
            said = [container.metadata.get(key) for key in ("com.apple.quicktime.creationdate", "creation_time")]
    except (Unreadable, OSError):
        return file_time.astimezone(UTC)
    for text in filter(None, said):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        found = in_utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        if found and plausible(found, now):
            return found
    return file_time.astimezone(UTC)


def _opened(file: Any) -> InputContainer:
    """The container in an open file: a name could be taken for an address ("concat:...")."""
    import av

    options = {"format_whitelist": _FORMATS}
    with _explained("not a video that can be read, or its beginning or index is missing"):
        container: InputContainer = av.open(file, "r", options=options, buffer_size=1 << 18, metadata_errors="replace")
    return container


@contextmanager
def _explained(reason: str) -> Iterator[None]:
    """FFmpeg's errors as Unreadable; a disk's or network's remain OSError, for they may pass."""
    import av

    try:
        yield
    except av.FFmpegError as problem:
        raise Unreadable(reason) from problem
    except OSError as problem:
        if problem.errno == errno.EINVAL:  # FFmpeg followed a damaged offset to before the beginning
            raise Unreadable(reason) from problem
        raise


def _video(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise Unreadable("holds no video, only sound or data")
    stream = container.streams.video[0]
    codec = stream.codec_context
    if codec is None:
        raise Unreadable("in a video format that cannot be decoded here")
    if not codec.width or codec.width * codec.height > MOST_PIXELS:  # FFmpeg forgets sizes it would not decode itself
        raise Unreadable("its frames have too many pixels, or its header is damaged")
    codec.options = {"max_pixels": str(MOST_PIXELS)}
    return stream


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[tuple[timedelta, Any]]:
    """Sound frames with the time since the first; raises Unreadable once it is clear that the end is missing."""
    import av

    start: Fraction | None = None
    step = 1 / Fraction(stream.average_rate or 25)
    last = Fraction(0)
    reached = Fraction(0)
    damaged = 0
    for packet in _packets(container):
        if packet.pts is not None and packet.time_base:
            reached = max(reached, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if packet.stream is not stream:
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
            damaged += 1
        if packet.is_corrupt:
            damaged += 1
        if damaged > _MOST_DAMAGE:
            break
        for frame in frames:
            if frame.is_corrupt:
                continue
            if not packet.is_corrupt and packet.pts is not None:
                damaged = 0
            moment = frame.pts * frame.time_base if frame.pts is not None else last + step
            start = moment if start is None else start
            last = moment
            yield timedelta(microseconds=max(0, round((moment - start) * 1_000_000))), frame
    shortfall = _end(container) - reached if container.format.name in _DECLARED else Fraction(0)
    if damaged or shortfall > _SLACK:
        raise Unreadable(f"the video is cut off after {float(max(Fraction(0), last - (start or 0))):.1f} s")


def _packets(container: InputContainer) -> Iterator[Any]:
    packets = container.demux()
    while True:
        with _explained("the video cannot be read to its end"):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _end(container: InputContainer) -> Fraction:
    """Where the header says the video ends, in seconds of its own time."""
    return Fraction((container.start_time or 0) + (container.duration or 0), 1_000_000)


def _upright(frame: Any) -> Pixels:
    turns = round(frame.rotation / 90)
    pixels: Pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns % 4 else pixels


def _finished_gif(file: Any) -> bool:
    """Whether the file ends with a GIF trailer (GIF89a, section 27)."""
    file.seek(-min(64, file.seek(0, 2)), 2)
    return bool(file.read().rstrip(b"\0\r\n ").endswith(b";"))


def _seconds(at: timedelta) -> str:
    return f"{at.total_seconds():.1f} s"
