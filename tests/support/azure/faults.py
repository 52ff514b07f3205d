"""Ways for the fake service to be ill: set one as its `fault`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


async def hang(request: web.Request) -> web.StreamResponse | None:
    await asyncio.sleep(3600)
    return None


async def drip(request: web.Request) -> web.StreamResponse | None:
    """A byte now and then, for ever."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


async def garbage(request: web.Request) -> web.StreamResponse | None:
    return web.Response(text="<html>Sign in to the school's network</html>", content_type="text/html")


async def wrong_shape(request: web.Request) -> web.StreamResponse | None:
    return web.json_response({"people": "all of them"})


async def cut_off(request: web.Request) -> web.StreamResponse | None:
    """The connection goes in the middle of the answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'[{"faceId": ')
    _cut(request)
    return response


async def cut(request: web.Request) -> web.StreamResponse | None:
    """The connection goes before any answer."""
    await request.read()
    _cut(request)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse | None:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 1_000_000)


async def elsewhere(request: web.Request) -> web.StreamResponse | None:
    raise web.HTTPFound("http://127.0.0.1:9/portal")


def status(code: int, retry_after: str | None = None) -> Fault:
    async def fault(request: web.Request) -> web.StreamResponse | None:
        body = {"error": {"code": "InternalServerError" if code >= 500 else "Unspecified", "message": "Something."}}
        return web.json_response(body, status=code, headers={"Retry-After": retry_after} if retry_after else {})

    return fault


def times(count: int, fault: Fault) -> Fault:
    """The first `count` calls go wrong."""
    left = [count]

    async def counted(request: web.Request) -> web.StreamResponse | None:
        left[0] -= 1
        return await fault(request) if left[0] >= 0 else None

    return counted


def once(ending: str, fault: Fault) -> Fault:
    """The first POST to a path with this ending goes wrong."""
    done: list[bool] = []

    async def first(request: web.Request) -> web.StreamResponse | None:
        if done or request.method != "POST" or not request.path.endswith(ending):
            return None
        done.append(True)
        return await fault(request)

    return first


def after(fault: Fault) -> Fault:
    """The call is carried out, and the answer goes wrong."""

    async def carried_out(request: web.Request) -> web.StreamResponse | None:
        handler = request.match_info.handler
        await handler(request)
        return await fault(request)

    return carried_out


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
