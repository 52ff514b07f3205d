"""`/people` and `/people/{person}`."""

from __future__ import annotations

from aiohttp import web

from hub.overview.people import people_page
from hub.overview.person import person_page
from hub.web.keys import view_of
from hub.web.problems import Problem

from .asking import page_number, search, word
from .templates import page


async def everybody(request: web.Request) -> web.Response:
    return await page(
        request, "people.html", people=await people_page(view_of(request), search(request), page_number(request))
    )


async def person(request: web.Request) -> web.Response:
    found = await person_page(view_of(request), word(request, "person"))
    if found is None:
        raise Problem(404, "nobody here has this id", hint="look under People")
    return await page(request, "person.html", person=found)
