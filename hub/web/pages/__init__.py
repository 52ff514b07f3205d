"""The panel's pages: a module a page, each a handler that returns a rendered template."""

from __future__ import annotations

from aiohttp import web

from . import attendance, cameras, crops, images, lecture, nodes, people, static, today
from .crops import let_in as let_pictures_in
from .templates import setup_templates

__all__ = ["let_pictures_in", "routes", "setup_templates"]


def routes() -> list[web.AbstractRouteDef]:
    """Every page; `setup_templates` must have been called on the application they are added to."""
    return [
        web.get("/", today.today),
        web.get("/people", people.everybody),
        web.get("/people/{person}", people.person),
        web.get("/images", images.images),
        web.get("/attendance", attendance.month),
        web.get("/days/{date}", attendance.day),
        web.get("/lectures/{lecture}", lecture.register),
        web.get("/lectures/{lecture}/people/{person}", lecture.evidence),
        web.get("/cameras", cameras.cameras),
        web.get("/nodes", nodes.nodes),
        web.post("/nodes/invitation", nodes.invite),
        web.get("/nodes/{node}/snapshot", nodes.snapshot),
        web.post("/nodes/{node}/{act}", nodes.act),
        web.get("/crops/{tail:.+}", crops.crop),
        web.get("/static/{name}", static.static),
        web.get("/favicon.ico", static.icon),
    ]
