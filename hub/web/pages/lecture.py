"""`/lectures/{lecture}`, the register of one lecture, and what each of its marks rests on."""

from __future__ import annotations

from aiohttp import web

from hub.attendance.records import Status
from hub.overview import lecture as overview
from hub.web.keys import view_of
from hub.web.problems import Problem

from .asking import page_number, word
from .templates import page


async def register(request: web.Request) -> web.Response:
    """`?show=absent` keeps the marks of one status."""
    asked = request.query.get("show", "")
    only = Status(asked) if asked in set(Status) else None
    found = await overview.lecture_register(view_of(request), word(request, "lecture"), only, page_number(request))
    if found is None:
        raise Problem(404, "there is no such lecture", hint="look under Attendance, by date")
    return await page(request, "lecture.html", register=found)


async def evidence(request: web.Request) -> web.Response:
    found = await overview.evidence(view_of(request), word(request, "lecture"), word(request, "person"))
    if found is None:
        raise Problem(404, "this person has no mark in such a lecture", hint="look under Attendance, by date")
    return await page(request, "evidence.html", evidence=found)
