"""`/crops/…`: the evidence crops, never anything else that storage holds.

From the hub, or by a link that the storage signs (S3's `links: direct`), which a browser follows at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import ETag, web

from hub.crops import PREFIX
from hub.db import overview_evidence
from hub.plugin import NotFound, PluginError, Storage
from hub.web import keys
from hub.web.problems import Problem
from hub.web.security import images_also_from

from .asking import word

# The browser may keep a crop but asks each time: what retention or erasure removed is not shown again.
CACHING = "private, no-cache"
LINK = timedelta(minutes=1)
"""For how long a link holds."""
PATIENCE = 1.0
"""Seconds for which a page waits to know where its pictures are."""


async def crop(request: web.Request) -> web.Response:
    key = PREFIX + word(request, "tail")
    async with request.app[keys.DATABASE].read() as connection:
        shown = await overview_evidence.shown(connection, key)
    if not shown:
        raise Problem(404, "there is no such picture, or it is past its retention")
    tag = hashlib.sha256(key.encode()).hexdigest()[:16]
    if any(one.value == tag for one in request.if_none_match or ()):
        return _with_tag(web.Response(status=304), tag)
    storage = request.app[keys.STORAGE]()
    try:
        if (link := await storage.link(key, LINK)) is not None:
            return web.Response(status=302, headers={"Location": link})
        image = await storage.get(key)
    except NotFound:
        raise Problem(404, "this picture is gone from storage") from None
    return _with_tag(web.Response(body=image, content_type="image/jpeg"), tag)


async def let_in(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of `on_response_prepare`, before the security headers: pages may show what the storage links to."""
    if response.content_type == "text/html" and (origin := await _origin(request.app[keys.STORAGE])):
        response.headers["Content-Security-Policy"] = images_also_from(origin)


async def _origin(storage: Callable[[], Storage]) -> str:
    with suppress(PluginError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            if link := await storage().link(f"{PREFIX}any.jpg", LINK):
                parts = urlsplit(link)
                return f"{parts.scheme}://{parts.netloc}"
    return ""


def _with_tag(answer: web.Response, tag: str) -> web.Response:
    answer.etag = ETag(tag)
    answer.headers["Cache-Control"] = CACHING
    return answer
