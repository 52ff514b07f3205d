"""A reader of the panel's pages, and a lecture to read about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser

import aiohttp
from sqlalchemy import event
from sqlalchemy.engine import Engine

from hub.attendance.timetable import lectures_on
from hub.db.people import Person
from tests.support.panel import MONDAY, Panel, at

INLINE = ("a", "b", "bdi", "span", "time")


class _Words(HTMLParser):
    """The words of a page without its tags, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipping += tag in ("script", "style")
        self.text += "" if tag in INLINE else " "
        self.links += [value for name, value in attrs if name == "href" and value and tag == "a"]

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.text += data


@dataclass(frozen=True)
class Page:
    """`main` is the page's own text, without header and footer; `links` are those in it."""

    status: int
    html: str
    main: str
    links: list[str]


@dataclass
class Browser:
    """Follows links as somebody with a browser would; `statements` are those of the last request."""

    session: aiohttp.ClientSession
    address: str
    statements: list[str]

    async def open(self, path: str) -> Page:
        self.statements.clear()
        async with self.session.get(self.address + path) as answer:
            html = await answer.text()
        body = _Words()
        body.feed(html.partition("<main")[2].partition("</main>")[0].partition(">")[2])
        return Page(answer.status, html, " ".join(body.text.split()), body.links)


@asynccontextmanager
async def browsing(panel: Panel) -> AsyncIterator[Browser]:
    statements: list[str] = []

    def heard(*words: object) -> None:
        statement = str(words[2])
        if statement.upper().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        async with aiohttp.ClientSession() as session:
            yield Browser(session, panel.address, statements)
    finally:
        event.remove(Engine, "before_cursor_execute", heard)


ADA, BOB, CEM, DEE, EVE = (
    Person(name.lower(), name, class_name)
    for name, class_name in (("Ada", "10A"), ("Bob", "10A"), ("Cem", "10A"), ("Dee", "10A"), ("Eve", "10B"))
)


async def taught(panel: Panel) -> None:
    """Monday's first hour is over: ada in time, bob late, cem absent, dee by hand; nobody watched room 102."""
    await panel.enrol(ADA, BOB, CEM, EVE)
    await panel.enrol(DEE, granted=False)
    for camera in ("door-101", "back-101"):
        await panel.watched(camera, at("08:45"), at("09:55"))
    await panel.seen(
        [("ada", "door-101", at("08:58")), ("bob", "door-101", at("09:19")), (None, "door-101", at("09:20"))]
    )
    panel.clock.moment = at("09:55")
    await panel.draw(MONDAY)


def lecture(panel: Panel, name: str, day: date = MONDAY) -> str:
    """The id of the day's lecture of that name, Monday's unless told otherwise."""
    held = lectures_on(day, panel.settings.timetable, panel.settings.school.time_zone)
    return next(one.id for one in held if one.name == name)
