"""What went wrong with a request, for people as a page and for programs as RFC 9457 problem details."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from aiohttp import web

from hub.failure import Failure
from hub.plugin import PluginError
from hub.runtime.faults import summary

logger = logging.getLogger("fras.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API = "/api/"
"""Paths below this are answered to programs."""

RETRY_AFTER = {"Retry-After": "5"}


class Problem(Exception):
    """Raised by a handler to answer with `status`. `detail` says what is the matter, `hint` what to do next."""

    def __init__(self, status: int, detail: str, *, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def details(self) -> dict[str, Any]:
        """The members of RFC 9457, 3.1, and `hint`."""
        found = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return found | ({"hint": self.hint} if self.hint else {})


ErrorPage = Callable[[web.Request, Problem], Awaitable[web.Response]]
ERROR_PAGE: web.AppKey[ErrorPage] = web.AppKey("ERROR_PAGE")
"""Renders a problem for people in the panel's clothes; the panel sets it."""


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns whatever a handler raises into an answer with a next step, never a traceback."""
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
        problem = _known(request, answer)
    except Problem as raised:
        problem = raised
    except (Failure, PluginError) as failure:
        problem = Problem(503, failure.message, hint=failure.hint or "try again soon", headers=RETRY_AFTER)
    except Exception as fault:
        logger.error("a fault of FRAS while answering %s %s: %s", request.method, _route(request), summary(fault))
        problem = Problem(500, "a fault of FRAS itself", hint="the hub's log names it; please report it")
    return await _answer(request, problem)


async def _answer(request: web.Request, problem: Problem) -> web.Response:
    if request.path.startswith(API):
        text = json.dumps(problem.details(), ensure_ascii=False)
        answer = web.Response(status=problem.status, text=text, content_type="application/problem+json")
    else:
        answer = await _page(request, problem)
    answer.headers.update(problem.headers)
    return answer


async def _page(request: web.Request, problem: Problem) -> web.Response:
    render = request.config_dict.get(ERROR_PAGE)
    if render is not None:
        try:
            return await render(request, problem)
        except Exception as fault:  # the page about a fault must not be a second one
            logger.error("a fault of FRAS in the page that explains a problem: %s", summary(fault))
    return web.Response(status=problem.status, text=plain_page(problem), content_type="text/html")


def plain_page(problem: Problem) -> str:
    """A page that needs nothing else."""
    hint = f"<p>{escape(problem.hint)}</p>" if problem.hint else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(problem.title)} · FRAS</title><main><h1>{escape(problem.title)}</h1>"
        f"<p>{escape(problem.detail)}</p>{hint}</main></html>"
    )


def _known(request: web.Request, answer: web.HTTPException) -> Problem:
    """What aiohttp itself refuses, in our words."""
    allowed = {name: answer.headers[name] for name in ("Allow",) if name in answer.headers}
    match answer.status:
        case 404 if request.path.startswith(API):
            return Problem(404, "the API has no such address", hint="/api/v1/openapi.json lists them")
        case 404:
            return Problem(404, "there is nothing at this address", hint="start again at /")
        case 405:
            methods = answer.headers.get("Allow", "")
            return Problem(405, f"this address does not take {request.method}", hint=f"use {methods}", headers=allowed)
        case 413:
            return Problem(413, "the request is too large")
        case _:
            return Problem(answer.status, answer.reason, headers=allowed)


def _route(request: web.Request) -> str:
    """The pattern of the address: the address itself may name somebody."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "an unknown address"
