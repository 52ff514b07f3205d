"""The words of a request's address."""

from __future__ import annotations

from datetime import date

from aiohttp import web

from hub.db.people import is_text
from hub.overview.lectures import date_in
from hub.web.problems import Problem

LONGEST = 200
"""Characters of a search that are looked at."""


def word(request: web.Request, name: str) -> str:
    """A part of the path. Raises Problem for what no id can be."""
    text = request.match_info[name]
    if not is_text(text):
        raise Problem(404, "there is nothing at this address", hint="start again at /")
    return text


def local_date(request: web.Request, name: str) -> date:
    """A date in the path. Raises Problem when it is none."""
    found = date_in(request.match_info[name])
    if found is None:
        raise Problem(404, "there is no such date", hint="write it as 2026-11-22")
    return found


def page_number(request: web.Request) -> int:
    """The page asked for, from 1; anything else is the first."""
    text = request.query.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 and int(text) else 1


def search(request: web.Request) -> str:
    """What is looked for, on one line."""
    return " ".join(request.query.get("q", "")[:LONGEST].split())
