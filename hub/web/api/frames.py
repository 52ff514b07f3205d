"""Frames over HTTP: sending one to a camera, and what became of it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from aiohttp import web

from hub.db import ledger, listing
from hub.db.listing import Row
from hub.nodes.entrances import Crowded, Entrance
from hub.plugin import CameraEvent, Frame
from hub.runtime.health import State
from hub.web import keys
from hub.web.problems import RETRY_AFTER, Problem

from . import records
from .operations import PREFIX, json_response
from .shapes import Between, Text

LARGEST = 16_000_000
"""Bytes of a frame."""
ARRIVE_WITHIN = 60.0
"""Seconds in which the body must have arrived."""
ACCEPT_WITHIN = 20.0
"""Seconds in which the hub must have acknowledged it; a camera ahead of recognition is made to wait."""
AHEAD = timedelta(minutes=1)
"""How far ahead of the hub's clock a sender's may be."""
LIVE = timedelta(seconds=5)
"""A frame sent sooner after its capture may be overtaken by a newer one."""
LARGEST_NUMBER = 2**63 - 1
JPEG = b"\xff\xd8\xff"
TYPES = ("image/jpeg", "image/jpg")


@dataclass(frozen=True, slots=True)
class FrameHeaders:
    captured_at: Annotated[
        datetime | None, "When the picture was taken, with zone; without it the time of arrival counts."
    ] = None
    idempotency_key: Annotated[
        str | None, Text(200, r"[!-~]+"), "Printable ASCII, the sender's own: the same key again is the same frame."
    ] = None
    frame_epoch: Annotated[int | None, Between(0, LARGEST_NUMBER), "With Frame-Seq instead of a key."] = None
    frame_seq: Annotated[int | None, Between(0, LARGEST_NUMBER), "Numbers a camera's frames within an epoch."] = None


async def send_frame(request: web.Request, camera: str, headers: FrameHeaders) -> records.Received:
    """Takes a JPEG from anything that can send HTTP, for a camera of the platform http_push.

    Answers once the frame is on the hub's disk and in its ledger: 202, or 200 where it was before. Without
    Idempotency-Key or numbers the picture itself, with Captured-At, is the key: the same one again counts once.
    """
    entrance = entrance_of(request, camera)
    arrived = request.app[keys.CLOCK].now()
    if headers.captured_at is not None and headers.captured_at > arrived + AHEAD:
        raise Problem(400, "Captured-At is ahead of the hub's clock", hint="set the sender's clock, or leave it out")
    if request.content_type not in TYPES:
        raise _unsupported(f"a frame is image/jpeg, not {request.content_type[:60]}")
    try:
        with entrance.place():
            image = await _body(request)
            epoch, seq = _number(headers, image)
            row = await _known(request, camera, epoch, seq)
            duplicate = row is not None
            if row is None:
                captured_at = headers.captured_at or arrived
                await deliver(
                    entrance, Frame(epoch, seq, captured_at, image, live=arrived - captured_at < LIVE), "frame"
                )
                row = await _known(request, camera, epoch, seq)
    except Crowded as crowded:
        raise Problem(429, crowded.message, hint="send it again, nothing counts twice", headers=RETRY_AFTER) from None
    if row is None and await _had(request, camera, epoch, seq):
        raise Problem(410, "the hub had this frame until its time was over", hint="do not send it again")
    if row is None:
        raise Problem(503, "the frame was lost", hint="send it again", headers=RETRY_AFTER)
    if not listing.is_of(row, image) or headers.captured_at not in (None, row["captured_at"]):
        raise Problem(409, "another frame was sent under this key or number", hint="give each frame one of its own")
    answer = records.Received(
        frame=row["id"],
        camera=camera,
        epoch=epoch,
        seq=seq,
        captured_at=row["captured_at"],
        captured_at_by="hub" if headers.captured_at is None else "sender",
        duplicate=duplicate,
    )
    response = json_response(request, answer, status=200 if duplicate else 202)
    response.headers["Location"] = f"{PREFIX}/frames/{row['id']}"
    return response  # type: ignore[return-value]  # its body is one


async def frame(request: web.Request, frame: str) -> records.Frame:
    """What became of a frame."""
    async with request.app[keys.DATABASE].read() as connection:
        row = await listing.frame(connection, frame)
    if row is None:
        raise Problem(404, "there is no such frame")
    return records.Frame(**row)


def entrance_of(request: web.Request, camera: str) -> Entrance:
    """Where the camera reads, or why it does not."""
    part = next((part for part in request.app[keys.SETTINGS]().cameras if part.id == camera), None)
    if part is None:
        raise Problem(404, "there is no such camera", hint="add one of the platform http_push to hub.yaml")
    entrance = request.app[keys.ENTRANCES].of(camera)
    if entrance is not None and entrance.orders is None:
        return entrance
    health = request.app[keys.HEALTH]().get(camera)
    if health is not None and health.state in (State.RUNNING, State.FINISHED):
        hint = "send to a camera of the platform http_push"
        raise Problem(409, f"a camera of the platform {part.platform} takes no frames over HTTP", hint=hint)
    state = f"camera {camera} is {health.state.replace('_', ' ')}" if health else f"camera {camera} is not running"
    raise Problem(503, state, hint=(health and health.hint) or "send it again", headers=RETRY_AFTER)


async def _body(request: web.Request) -> bytes:
    too_large = Problem(413, f"a frame has at most {LARGEST // 10**6} MB", hint="send smaller pictures")
    if (request.content_length or 0) > LARGEST:
        raise too_large
    image = bytearray()
    try:
        async with asyncio.timeout(ARRIVE_WITHIN):
            async for chunk in request.content.iter_any():
                image += chunk
                if len(image) > LARGEST:
                    raise too_large
    except TimeoutError:
        raise Problem(408, "the frame did not arrive in time", hint="send it again") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(400, "the frame did not arrive whole", hint="send it again") from None
    if not image:
        raise Problem(400, "the request is empty", hint="send the picture as its body: curl --data-binary @FILE")
    if not image.startswith(JPEG):
        raise _unsupported("this is no JPEG")
    return bytes(image)


def _unsupported(detail: str) -> Problem:
    return Problem(415, detail, hint="curl -H 'Content-Type: image/jpeg' --data-binary @FILE.jpg")


def _number(headers: FrameHeaders, image: bytes) -> tuple[int, int]:
    """What the frame is called within its camera. A key is 126 bits of its hash."""
    numbered = headers.frame_epoch is not None, headers.frame_seq is not None
    if any(numbered):
        if not all(numbered) or headers.idempotency_key is not None:
            detail = "a frame is named by both Frame-Epoch and Frame-Seq, or by Idempotency-Key alone"
            raise Problem(400, detail, hint="send one or the other, or neither")
        return headers.frame_epoch or 0, headers.frame_seq or 0
    if headers.idempotency_key is not None:
        name = b"key " + headers.idempotency_key.encode()
    else:
        taken = headers.captured_at.isoformat().encode() if headers.captured_at else b""
        name = b"frame " + taken + b" " + hashlib.sha256(image).digest()
    digest = hashlib.sha256(name).digest()
    return int.from_bytes(digest[:8]) >> 1, int.from_bytes(digest[8:16]) >> 1


async def _known(request: web.Request, camera: str, epoch: int, seq: int) -> Row | None:
    async with request.app[keys.DATABASE].read() as connection:
        return await listing.numbered(connection, camera, epoch, seq)


async def _had(request: web.Request, camera: str, epoch: int, seq: int) -> bool:
    async with request.app[keys.DATABASE].read() as connection:
        return bool(await ledger.find(connection, [(camera, epoch, seq)]))


async def deliver(entrance: Entrance, event: CameraEvent, called: str) -> None:
    """Returns once the hub has acknowledged the event; raises a Problem that calls it `called`."""
    try:
        async with asyncio.timeout(ACCEPT_WITHIN):
            await entrance.send(event)
    except TimeoutError:
        detail = f"the hub has not taken the {called} within {ACCEPT_WITHIN:g} s: it is behind with recognition"
        raise Problem(503, detail, hint="send it again, nothing counts twice", headers=RETRY_AFTER) from None
