"""`/cameras`: which of them work, what they delivered, and what to do about those that do not."""

from __future__ import annotations

from aiohttp import web

from hub.overview.cameras import cameras as overview_of_cameras
from hub.web import keys

from .asking import view_of
from .templates import page


async def cameras(request: web.Request) -> web.Response:
    rows = await overview_of_cameras(view_of(request), request.app[keys.HEALTH]())
    return await page(request, "cameras.html", cameras=rows)
