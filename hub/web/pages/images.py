"""`/images`: the last evidence crops of all cameras."""

from __future__ import annotations

from aiohttp import web

from hub.overview.images import images as last_images
from hub.web.keys import view_of

from .templates import page


async def images(request: web.Request) -> web.Response:
    return await page(request, "images.html", shots=await last_images(view_of(request)))
