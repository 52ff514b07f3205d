"""`/`: today's lectures with their registers as they fill."""

from __future__ import annotations

from aiohttp import web

from hub.overview.cameras import troubled
from hub.overview.today import today as overview_of_today
from hub.web import keys
from hub.web.keys import view_of

from .groups import other_parts
from .templates import page

RECENT = 6
"""How many lectures of each kind are shown before the rest is left to the day's page."""


async def today(request: web.Request) -> web.Response:
    view = view_of(request)
    health = request.app[keys.HEALTH]()
    dead = troubled(view, health)
    parts = [name for name, one in other_parts(health, view.settings.cameras).items() if one.state.down]
    return await page(request, "today.html", today=await overview_of_today(view), recent=RECENT, dead=dead, parts=parts)
