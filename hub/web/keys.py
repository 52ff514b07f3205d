"""What handlers find in the application, typed. What a reload may replace is asked for anew at each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from hub.db.engine import Database
from hub.nodes.entrances import Entrances
from hub.nodes.service import Service
from hub.overview.view import View
from hub.plugin import Clock, Storage
from hub.registers import Registers
from hub.runtime.health import Health
from hub.settings import Settings

from .events import News

DATABASE = web.AppKey("DATABASE", Database)
CLOCK: web.AppKey[Clock] = web.AppKey("CLOCK")
SETTINGS: web.AppKey[Callable[[], Settings]] = web.AppKey("SETTINGS")
"""hub.yaml as it is in force now."""
REGISTERS: web.AppKey[Callable[[], Registers]] = web.AppKey("REGISTERS")
STORAGE: web.AppKey[Callable[[], Storage]] = web.AppKey("STORAGE")
HEALTH: web.AppKey[Callable[[], Mapping[str, Health]]] = web.AppKey("HEALTH")
"""The health of every plugin instance, by its id."""
ENTRANCES = web.AppKey("ENTRANCES", Entrances)
"""Where frames sent over HTTP go."""
NODES: web.AppKey[Service | None] = web.AppKey("NODES")
"""Where nodes come in; None where none can."""
NEWS = web.AppKey("NEWS", News)
"""What server-sent events follow."""


def view_of(request: web.Request) -> View:
    """The school as it is now."""
    app = request.app
    return View(app[DATABASE], app[SETTINGS](), app[CLOCK].now())
