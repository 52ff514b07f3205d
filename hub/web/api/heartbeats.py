"""Heartbeats over HTTP: that a camera watched and had nothing to send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from aiohttp import web

from hub.nodes.entrances import Crowded
from hub.plugin import Heartbeat
from hub.web import keys
from hub.web.problems import RETRY_AFTER, Problem

from .frames import AHEAD, deliver, entrance_of


@dataclass(frozen=True, slots=True)
class HeartbeatHeaders:
    watched_until: Annotated[
        datetime | None, "Until when it watched, with zone; without it until the heartbeat arrived."
    ] = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A heartbeat that is in the ledger."""

    camera: str
    until: datetime
    until_by: Annotated[str, "sender: the header Watched-Until; hub: there was none, the time of arrival."]


async def send_heartbeat(request: web.Request, camera: str, headers: HeartbeatHeaders) -> Heard:
    """Says that a camera of the platform http_push watched, and has sent every frame it took until then.

    An empty room is covered by heartbeats, and absence waits for no frame that may still come. Send one a minute or
    oftener, after the frames that were taken before it; the same one again changes nothing.
    """
    entrance = entrance_of(request, camera)
    arrived = request.app[keys.CLOCK].now()
    until = headers.watched_until or arrived
    if until > arrived + AHEAD:
        raise Problem(400, "Watched-Until is ahead of the hub's clock", hint="set the sender's clock, or leave it out")
    try:
        with entrance.place():
            await deliver(entrance, Heartbeat(until), "heartbeat")
    except Crowded as crowded:
        raise Problem(429, crowded.message, hint="send it again", headers=RETRY_AFTER) from None
    return Heard(camera, until, "hub" if headers.watched_until is None else "sender")
