"""`/`: today's lectures with their registers as they fill."""

from __future__ import annotations

from aiohttp import web

from hub.overview.cameras import troubled
from hub.overview.today import today as overview_of_today
from hub.web import keys
from hub.web.keys import view_of

from .templates import page

RECENT = 6
"""How many lectures of each kind are shown before the rest is left to the day's page."""


async def today(request: web.Request) -> web.Response:
    view = view_of(request)
    dead = troubled(view, request.app[keys.HEALTH]())
    return await page(request, "today.html", today=await overview_of_today(view), recent=RECENT, dead=dead)
