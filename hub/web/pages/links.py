"""Addresses of the panel: ids only, each quoted whole."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

from . import static


def person_at(person: str) -> str:
    return f"/people/{_quoted(person)}"


def lecture_at(lecture: str) -> str:
    return f"/lectures/{_quoted(lecture)}"


def evidence_at(lecture: str, person: str) -> str:
    return f"/lectures/{_quoted(lecture)}/people/{_quoted(person)}"


def day_at(day: date) -> str:
    return f"/days/{day.isoformat()}"


def month_at(first: date) -> str:
    return f"/attendance?month={first:%Y-%m}"


def crop_at(key: str) -> str:
    """Keys of crops begin with `crops/`, as their address does."""
    return f"/{quote(key)}"


def asset(name: str) -> str:
    """A file of `/static`; its address changes with its content."""
    return f"/static/{name}?v={static.TAGS[name]}"


def people_at(query: str, page: int) -> str:
    return f"/people?q={quote(query, safe='')}&page={page}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


LINKS = {
    link.__name__: link for link in (person_at, lecture_at, evidence_at, day_at, month_at, crop_at, asset, people_at)
}
