"""`/cameras`: which of them work, what they delivered, and what to do about those that do not; recognisers, too."""

from __future__ import annotations

from aiohttp import web

from hub.calibrating import stale_calibration
from hub.db.nodes import NodeState
from hub.nodes.overview import rows as rows_of_nodes
from hub.overview.cameras import cameras as overview_of_cameras
from hub.web import keys
from hub.web.keys import view_of

from .groups import camera_state, other_parts
from .templates import page


async def cameras(request: web.Request) -> web.Response:
    health = request.app[keys.HEALTH]()
    rows = await overview_of_cameras(view_of(request), health)
    service = request.app[keys.NODES]
    everyone = await service.nodes.registry.everyone() if service else []
    settings = request.app[keys.SETTINGS]()
    shown = rows_of_nodes(everyone, service.nodes if service else None, settings)
    nodes = {node.camera: node for node in shown if node.state is NodeState.CONFIRMED}
    stale = await stale_calibration(view_of(request).database)
    rows = tuple(sorted(rows, key=lambda row: camera_state(row).kind != "trouble"))  # those first
    return await page(
        request,
        "cameras.html",
        cameras=rows,
        parts=other_parts(health, settings.cameras),
        nodes=nodes,
        has_nodes=service is not None,
        stale=stale,
    )
