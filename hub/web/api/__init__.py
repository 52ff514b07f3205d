"""REST under /api/v1: one table of operations makes the routes and their OpenAPI description."""

from __future__ import annotations

from aiohttp import web

from . import attendance, events, frames, heartbeats, nodes, people, sightings, state
from .openapi import document
from .operations import PREFIX, Operation, Raw, json_response

OPERATIONS = (
    Operation("GET", "/people", people.people),
    Operation("GET", "/people/{person}", people.person),
    Operation("GET", "/enrolments", people.enrolments),
    Operation("GET", "/observations", sightings.observations),
    Operation("GET", "/observations/{observation}", sightings.observation),
    Operation("GET", "/observations/{observation}/crop", sightings.crop, gives=Raw("image/jpeg")),
    Operation("GET", "/sightings", sightings.sightings),
    Operation("GET", "/days", attendance.days),
    Operation("GET", "/days/{date}", attendance.day),
    Operation("GET", "/lectures", attendance.lectures),
    Operation("GET", "/lectures/{lecture}", attendance.lecture),
    Operation("GET", "/marks", attendance.marks),
    Operation("GET", "/cameras", state.cameras),
    Operation("GET", "/cameras/{camera}", state.camera),
    Operation(
        "POST",
        "/cameras/{camera}/frames",
        frames.send_frame,
        takes=Raw("image/jpeg", "The picture, up to 16 MB."),
        done=(200, 202),
        problems=(408, 409, 413, 415, 429, 503),
    ),
    Operation("POST", "/cameras/{camera}/heartbeat", heartbeats.send_heartbeat, problems=(409, 429, 503)),
    Operation("GET", "/frames/{frame}", frames.frame),
    Operation("GET", "/nodes", nodes.nodes),
    Operation("GET", "/nodes/{node}", nodes.node),
    Operation("GET", "/health", state.health),
    Operation("GET", "/events", events.events, gives=Raw("text/event-stream"), problems=(503,)),
)


def add_to(app: web.Application) -> None:
    """Adds the API's routes."""
    described = document(OPERATIONS)

    async def openapi(request: web.Request) -> web.Response:
        return json_response(request, described)

    for operation in OPERATIONS:
        if operation.method == "GET" and operation.gives is None:
            app.router.add_get(PREFIX + operation.path, operation.respond)
        else:
            app.router.add_route(operation.method, PREFIX + operation.path, operation.respond)
    app.router.add_get(f"{PREFIX}/openapi.json", openapi)
