"""`/attendance`, a month of dates, and `/days/{date}`, one of them with its lectures."""

from __future__ import annotations

from aiohttp import web

from hub.overview import attendance
from hub.overview.lectures import date_in
from hub.web.keys import view_of
from hub.web.problems import Problem

from .asking import local_date, page_number
from .templates import page


async def month(request: web.Request) -> web.Response:
    """`?month=2026-11` chooses the month."""
    asked = request.query.get("month")
    first = date_in(f"{asked}-01") if asked else None
    if asked and first is None:
        raise Problem(404, "there is no such month", hint="write it as 2026-11")
    return await page(request, "attendance.html", month=await attendance.month(view_of(request), first))


async def day(request: web.Request) -> web.Response:
    """`?whole` also lists the lectures of before the hub's cameras first saw anything."""
    whole = "whole" in request.query
    found = await attendance.day(view_of(request), local_date(request, "date"), page_number(request), whole=whole)
    return await page(request, "day.html", day=found, whole=whole)
