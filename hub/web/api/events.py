"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) from the outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from aiohttp import web

from hub.db import outbox
from hub.db.engine import Database
from hub.failure import Failure
from hub.runtime.faults import summary
from hub.runtime.health import State
from hub.web import keys
from hub.web.events import MOST, News
from hub.web.problems import RETRY_AFTER, Problem

from .shapes import Between, to_json

logger = logging.getLogger("fras.web")

RETRY = 2000
"""Milliseconds after which a browser connects again."""
HEARTBEAT = 15.0
"""Seconds without news after which a comment tells both sides that the other is there."""
PATIENCE = 10.0
"""Seconds a follower has to read what was sent; who is slower is dropped and may resume."""
BATCH = 200
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class EventsQuery:
    after: Annotated[int | None, Between(0, LARGEST), "Begin after this event; by default with what comes."] = None


@dataclass(frozen=True, slots=True)
class EventsHeaders:
    last_event_id: Annotated[int | None, Between(0, LARGEST), "As `after`: what browsers send to resume."] = None


async def events(request: web.Request, query: EventsQuery, headers: EventsHeaders) -> web.StreamResponse:
    """What happens, as it happens.

    `frame`: a frame has its outcome. `register`: marks of these lectures have changed. `health`, without an id: the
    state of a plugin, of each at the beginning, then of those that change. `reset`: events are missing, read anew what
    you show. The data of each is JSON.
    """
    news = request.app[keys.NEWS]
    with news.follower() as welcome:
        if not welcome:
            raise Problem(503, f"{MOST} followers are connected already", hint="close a page", headers=RETRY_AFTER)
        await news.look()
        wanted = headers.last_event_id if headers.last_event_id is not None else query.after
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        try:
            await response.prepare(request)
            async for text in _stream(request.app[keys.DATABASE], news, wanted):
                async with asyncio.timeout(PATIENCE):
                    await response.write(text)
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        except Failure as failure:  # the follower connects again and resumes
            logger.debug("a stream of events ended: %s", failure)
        except Exception as fault:  # the answer has begun: no other can follow
            logger.error("a fault of FRAS ended a stream of events: %s", summary(fault))
    return response


async def _stream(database: Database, news: News, wanted: int | None) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY}\n\n".encode()
    last = news.last if wanted is None else wanted
    if last > news.last:  # of a database that was restored since
        last = news.last
        yield _event("reset", {}, last)
    states: Mapping[str, State] = {}
    while not news.ended:
        quiet = True
        while found := await _after(database, last):
            if found[0].id > last + 1 and last == wanted:
                yield _event("reset", {}, last)
            for one in found:
                yield _event(one.kind, {"at": one.at, **one.payload}, one.id)
            last = found[-1].id
            quiet = False
        now = news.states
        for name, state in now.items():
            if states.get(name) is not state:
                yield _event("health", {"id": name, "state": state})
                quiet = False
        states = now
        if quiet:
            yield b": \n\n"
        await news.beyond(last, states, HEARTBEAT)


async def _after(database: Database, last: int) -> list[outbox.Event]:
    async with database.read() as connection:
        return list(await outbox.after(connection, last, BATCH))


def _event(kind: str, data: Mapping[str, Any], number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + to_json(data) + b"\n\n"
