"""`/crops/…`: the evidence crops, never anything else that storage holds."""

from __future__ import annotations

import hashlib

from aiohttp import ETag, web

from hub.crops import PREFIX
from hub.db import overview_evidence
from hub.plugin import NotFound
from hub.web import keys
from hub.web.problems import Problem

from .asking import word

# The browser may keep a crop but asks each time: what retention or erasure removed is not shown again.
CACHING = "private, no-cache"


async def crop(request: web.Request) -> web.Response:
    key = PREFIX + word(request, "tail")
    async with request.app[keys.DATABASE].read() as connection:
        shown = await overview_evidence.shown(connection, key)
    if not shown:
        raise Problem(404, "there is no such picture, or it is past its retention")
    tag = hashlib.sha256(key.encode()).hexdigest()[:16]
    if any(one.value == tag for one in request.if_none_match or ()):
        return _with_tag(web.Response(status=304), tag)
    try:
        image = await request.app[keys.STORAGE]().get(key)
    except NotFound:
        raise Problem(404, "this picture is gone from storage") from None
    return _with_tag(web.Response(body=image, content_type="image/jpeg"), tag)


def _with_tag(answer: web.Response, tag: str) -> web.Response:
    answer.etag = ETag(tag)
    answer.headers["Cache-Control"] = CACHING
    return answer
