"""The hub's web site: built here, served on this machine only until there are accounts."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from hub.db.engine import Database
from hub.failure import Failure
from hub.nodes.entrances import Entrances
from hub.nodes.service import Service
from hub.plugin import Clock, Storage
from hub.registers import Registers
from hub.runtime.health import Health
from hub.settings import Settings
from hub.settings.host import this_machine_only

from . import api, keys, pages
from .events import News
from .problems import explained
from .security import add_headers, known_host, own_pages

STOP_WITHIN = 0.5
"""Seconds that answers under way get when the hub stops."""


def _in_a_line(record: logging.LogRecord) -> bool:
    """What aiohttp says of requests that are no HTTP: without their content, which a traceback quotes."""
    if record.exc_info and (fault := record.exc_info[1]) is not None:
        record.msg, record.args = "%s: %s", (record.getMessage(), type(fault).__name__)
        record.exc_info = None
    return True


logger = logging.getLogger("fras.web.http")
logger.addFilter(_in_a_line)


def guarded() -> web.Application:
    """An application without pages: with the security headers, refusals and error pages of all of them."""
    app = web.Application(middlewares=[explained, known_host, own_pages])
    app.on_response_prepare.append(add_headers)
    return app


def application(
    *,
    database: Database,
    clock: Clock,
    settings: Callable[[], Settings],
    registers: Callable[[], Registers],
    storage: Callable[[], Storage],
    health: Callable[[], Mapping[str, Health]],
    entrances: Entrances,
    nodes: Service | None = None,
) -> web.Application:
    """The site of a running hub. What a reload may replace is asked for anew at each request."""
    app = guarded()
    app.on_response_prepare.insert(0, pages.let_pictures_in)
    app[keys.DATABASE] = database
    app[keys.CLOCK] = clock
    app[keys.SETTINGS] = settings
    app[keys.REGISTERS] = registers
    app[keys.STORAGE] = storage
    app[keys.HEALTH] = health
    app[keys.ENTRANCES] = entrances
    app[keys.NODES] = nodes
    app[keys.NEWS] = News(database, health)
    app.cleanup_ctx.append(_news)
    app.on_shutdown.append(_end_streams)
    api.add_to(app)
    pages.setup_templates(app)
    app.add_routes(pages.routes())
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serves `app` and gives its address; port 0 is any that is free. Raises Failure where that cannot be."""
    if not this_machine_only(host):
        raise Failure(
            f"the panel has no accounts yet and may not listen at {host}, where others can reach it",
            hint="set http: host: 127.0.0.1 in hub.yaml; from elsewhere use an ssh tunnel",
        )
    runner = web.AppRunner(app, access_log=None, logger=logger, handle_signals=False, shutdown_timeout=STOP_WITHIN)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        where = f"port {port} of {host}"
        if error.errno == errno.EADDRINUSE:
            raise Failure(
                f"{where} is in use by another program, perhaps another hub",
                hint=f"stop that (ss -ltnp 'sport = :{port}' names it), or set another http: port: in hub.yaml",
            ) from None
        if error.errno == errno.EACCES:
            raise Failure(
                f"this user may not listen at {where}", hint="set http: port: in hub.yaml to 1024 or more"
            ) from None
        reason = error.strerror or "the address cannot be used"
        raise Failure(f"the panel cannot listen at {where}: {reason}", hint="set http: in hub.yaml") from None


async def _news(app: web.Application) -> AsyncIterator[None]:
    async with app[keys.NEWS].watched():
        yield


async def _end_streams(app: web.Application) -> None:
    app[keys.NEWS].end()
