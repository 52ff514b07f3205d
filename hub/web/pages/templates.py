"""Jinja: its environment, and what templates may use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp_jinja2
from aiohttp import web
from jinja2 import FileSystemLoader, StrictUndefined

from hub import __version__
from hub.attendance.records import Status
from hub.web import keys
from hub.web.problems import ERROR_PAGE, Problem

from . import groups, links, words

FOLDER = Path(__file__).parents[1] / "templates"
SHOWN = (Status.PRESENT, Status.LATE, Status.ABSENT, Status.NOT_OBSERVED, Status.OPEN)
"""Always counted, even at nought; other statuses where there are some."""
DAILY = (Status.PRESENT, Status.ABSENT, Status.NOT_OBSERVED)
"""The same for a day's people, who cannot be late for a day."""


def setup_templates(app: web.Application) -> None:
    """Makes `page` work in handlers of `app`, and problems appear in the panel's clothes."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= words.FILTERS | groups.FILTERS
    environment.tests |= words.TESTS
    environment.globals |= links.LINKS
    environment.globals |= {"Status": Status, "SHOWN": SHOWN, "DAILY": DAILY, "version": __version__}
    app[ERROR_PAGE] = _problem


async def page(request: web.Request, template: str, **values: Any) -> web.Response:
    """The rendered template. What every page shows besides: the school's name, its zone and the time.

    Rendered in a thread, for hundreds of rows take long enough to hold up a camera.
    """
    settings = request.app[keys.SETTINGS]()
    around = {
        "school": settings.school.name,
        "zone": settings.school.time_zone,
        "now": request.app[keys.CLOCK].now(),
    }
    text = await asyncio.to_thread(aiohttp_jinja2.render_string, template, request, around | values)
    return web.Response(text=text, content_type="text/html")


async def _problem(request: web.Request, problem: Problem) -> web.Response:
    answer = await page(request, "problem.html", problem=problem)
    answer.set_status(problem.status)
    return answer
