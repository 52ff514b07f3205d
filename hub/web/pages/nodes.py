"""`/nodes`: inviting a node by a code, and confirming, looking through and removing those that came."""

from __future__ import annotations

import asyncio

from aiohttp import web
from markupsafe import Markup

from hub.db.people import is_text
from hub.failure import Failure
from hub.nodes.cameras import invited_as
from hub.nodes.identity import open_identity
from hub.nodes.inviting import as_svg, code, invitation
from hub.nodes.overview import rows
from hub.nodes.service import IDENTIFY, Service
from hub.web import keys
from hub.web.problems import Problem

from .asking import word
from .templates import page

LONGEST = 100
"""Characters of a field; a Wi-Fi's name has at most 32 bytes, its password 63."""


async def nodes(request: web.Request) -> web.Response:
    service = _service(request)
    settings = request.app[keys.SETTINGS]()
    return await page(
        request,
        "nodes.html",
        nodes=rows(await service.nodes.registry.everyone(), service.nodes, settings),
        invitations=await service.nodes.registry.invitations(),
        refused=service.nodes.refused,
        problem=service.problem,
        rooms=sorted({entry.room for entry in settings.timetable}),
    )


async def invite(request: web.Request) -> web.Response:
    """The code, in the answer itself: it is good once and has no address."""
    service = _service(request)
    form = await request.post()
    room, camera, wifi, password = (_field(form, name) for name in ("room", "camera", "wifi", "password"))
    settings = request.app[keys.SETTINGS]()
    if settings.nodes.listen == "never":
        raise Problem(409, "hub.yaml says that nodes never come in", hint="set nodes: listen: auto there")
    registry = service.nodes.registry
    try:
        wanted, own_room = invited_as(service.configured(), await registry.everyone(), room, camera)
        invited = await registry.invite(wanted, own_room)
        identity = await asyncio.to_thread(open_identity, service.data)
        network = (wifi, password) if wifi else None
        port = await service.where()
        shown = await asyncio.to_thread(invitation, invited, identity, settings.nodes, port, network)
    except Failure as failure:
        raise Problem(409, failure.message, hint=failure.hint) from None
    drawing = Markup(as_svg(code(shown)))  # noqa: S704  # of segno's own making: numbers and a class
    return await page(request, "invitation.html", invited=invited, shown=shown, svg=drawing, wifi=bool(wifi))


async def act(request: web.Request) -> web.Response:
    """Does what a button says, then shows the list again."""
    service, node = _service(request), word(request, "node")
    registry = service.nodes.registry
    try:
        match request.match_info["act"]:
            case "confirm":
                await service.confirm(node)
            case "remove":
                await registry.remove(node)
            case "identify":
                await service.nodes.identify(node, IDENTIFY)
            case "snapshot":
                await service.nodes.take_snapshot(node)
            case _:
                raise Problem(404, "there is nothing at this address", hint="start again at /nodes")
    except Failure as failure:
        raise Problem(409, failure.message, hint=failure.hint) from None
    raise web.HTTPSeeOther(f"/nodes#{node}")


async def snapshot(request: web.Request) -> web.Response:
    """What a node saw when it was last asked; kept in memory, for minutes."""
    found = _service(request).nodes.snapshots.get(word(request, "node"))
    if found is None:
        raise Problem(404, "there is no picture of this node now", hint="ask it for one on /nodes")
    return web.Response(body=found.jpeg, content_type="image/jpeg")


def _service(request: web.Request) -> Service:
    service = request.app[keys.NODES]
    if service is None:
        raise Problem(404, "this hub serves no nodes")
    return service


def _field(form: object, name: str) -> str:
    text = form.get(name, "") if hasattr(form, "get") else ""
    if not isinstance(text, str) or len(text) > LONGEST or not is_text(text):
        raise Problem(400, f"the field {name} is no short text", hint="write less")
    return text.strip() if name != "password" else text
