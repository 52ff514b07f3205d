"""Binary messages: a picture after a header of forty bytes, big-endian.

offset  size  field
0       1     kind: 1 a frame, 2 a snapshot
1       1     flags: 1 live, 2 the wall clock had been set from the network
2       2     where the picture starts: 40; a later version may add fields before it
4       4     CRC-32 (ISO-HDLC, as in zlib) of the picture
8       8     number: a frame's in the node's log, a snapshot's the request it answers
16      8     capture by the wall clock, microseconds since 1970, signed
24      8     capture by the monotonic clock, microseconds since the board started
32      4     boot: which start of the board the monotonic clock counts from
36      4     zero
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .messages import Moment
from .wire import WireError

LARGEST_NUMBER: Final = 2**53 - 1
HEADER: Final = struct.Struct(">BBHIQqQII")
LIVE, SYNCHRONISED = 1, 2


class PictureKind(IntEnum):
    FRAME = 1
    SNAPSHOT = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG with its number and the moment it was captured. `live`: sent within five seconds of that."""

    kind: PictureKind
    number: int
    at: Moment
    jpeg: bytes
    live: bool = False


def encode_picture(picture: Picture) -> bytes:
    flags = LIVE * picture.live | SYNCHRONISED * picture.at.synchronised
    at = picture.at
    checksum = zlib.crc32(picture.jpeg)
    return (
        HEADER.pack(picture.kind, flags, HEADER.size, checksum, picture.number, at.wall, at.mono, at.boot, 0)
        + picture.jpeg
    )


def decode_picture(data: bytes) -> Picture | None:
    """The picture; None for a kind that a newer node may send. Raises WireError."""
    if len(data) < HEADER.size:
        raise WireError("a binary message is shorter than its header")
    kind, flags, start, checksum, number, wall, mono, boot, _ = HEADER.unpack_from(data)
    if kind not in tuple(PictureKind):
        return None
    if not HEADER.size <= start <= len(data):
        raise WireError("a binary message says that its picture starts outside of it")
    if max(number, abs(wall), mono) > LARGEST_NUMBER:
        raise WireError("a number of a binary message is beyond 2^53")
    jpeg = data[start:]
    if zlib.crc32(jpeg) != checksum:
        raise WireError("a picture does not match its checksum")
    at = Moment(wall, mono, boot, bool(flags & SYNCHRONISED))
    return Picture(PictureKind(kind), number, at, jpeg, bool(flags & LIVE))
