"""An operation of the API: a handler whose signature says what it takes and gives, and how it becomes a route."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, get_type_hints

from aiohttp import web

from hub.web.problems import Problem

from . import shapes
from .shapes import Text, Unfit, parse, read, to_json

PREFIX = "/api/v1"

PATH_PARAMETERS: Mapping[str, shapes.Member] = {
    name: shapes.Member(name, name, str, optional=False, required=True, default=None, notes=notes)
    for name, notes in {
        "person": (Text(200), "The person's id, the school's own."),
        "camera": (Text(64), "The camera's id, as in hub.yaml."),
        "node": (Text(64), "The node's id."),
        "lecture": (Text(200), "The lecture's id."),
        "observation": (Text(36), "The observation's id."),
        "frame": (Text(36), "The frame's id."),
    }.items()
} | {
    "date": shapes.Member(
        "date", "date", date, optional=False, required=True, default=None, notes=("The school's local date.",)
    )
}
"""Every name that stands in braces in a path."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What an operation takes or gives that is no JSON: its media type."""

    media_type: str
    description: str = ""


@dataclass(frozen=True)
class Operation:
    """`handler(request, <path parameters>, query, headers)` with dataclasses for the last two, where it takes
    any; it returns a dataclass, or a response.

    Its docstring is its description. `path` is below PREFIX. `takes` is the body; `gives` what is not JSON;
    `problems` are the statuses of problems beside 400 for what does not parse; `done` the status of success.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    problems: Iterable[int] = ()
    takes: Raw | None = None
    gives: Raw | None = None
    done: tuple[int, ...] = (200,)

    @property
    def id(self) -> str:
        return self.handler.__name__

    @property
    def summary(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "").partition("\n")[0]

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "").partition("\n")[2].strip()

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler)

    @property
    def query(self) -> Any:
        return self._hints.get("query")

    @property
    def headers(self) -> Any:
        return self._hints.get("headers")

    @property
    def answer(self) -> Any:
        """The dataclass of the answer, None for what is not JSON."""
        return None if self.gives else self._hints["return"]

    @property
    def path_parameters(self) -> tuple[shapes.Member, ...]:
        return tuple(PATH_PARAMETERS[name] for name in re.findall(r"{(\w+)}", self.path))

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answers a request."""
        given: dict[str, Any] = {}
        try:
            for part in self.path_parameters:
                given[part.name] = read(part, request.match_info[part.name])
        except Unfit:
            raise Problem(404, f"there is no such {part.name}") from None
        try:
            if self.query:
                given["query"] = parse(self.query, request.query.items(), what="query parameter")
            elif request.query:
                raise Unfit("this address takes no query parameters")
            if self.headers:
                names = {header_name(part).lower(): header_name(part) for part in shapes.members(self.headers)}
                own = [(names[name.lower()], text) for name, text in request.headers.items() if name.lower() in names]
                given["headers"] = parse(self.headers, own, what="header", called=header_name)
        except Unfit as problem:
            raise Problem(400, str(problem), hint=f"see {PREFIX}/openapi.json") from None
        found = await self.handler(request, **given)
        return found if isinstance(found, web.StreamResponse) else json_response(request, found)


def header_name(part: shapes.Member) -> str:
    """`captured_at` is the header Captured-At."""
    return "-".join(word.capitalize() for word in part.name.split("_"))


def json_response(request: web.Request, answer: Any, *, status: int = 200) -> web.Response:
    """`answer` as JSON, or 304 when the client has just that."""
    body = to_json(answer)
    response = web.Response(status=status, body=body, content_type="application/json")
    if status == 200 and request.method in ("GET", "HEAD"):
        tag = hashlib.sha256(body).hexdigest()[:32]
        response.etag = tag
        known = request.if_none_match or ()
        if any(one.value in (tag, "*") for one in known):
            return web.Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response
