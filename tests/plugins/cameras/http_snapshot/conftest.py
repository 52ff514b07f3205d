"""A camera's web server as cameras have it: pictures at addresses, logins, conditions, a certificate of its own."""

from __future__ import annotations

import hashlib
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.support.media import image_file, scene

USER, PASSWORD = "admin", "p@s:s/w#r%d?"
REALM, NONCE = "camera", "8f3a1c"


def jpeg(number: int) -> bytes:
    return image_file(scene(320, 240, seed=number))


BASIC = f'Basic realm="{REALM}", charset="UTF-8"'


def digest(algorithm: str = "MD5", qop: str = "auth") -> str:
    return f'Digest realm="{REALM}", qop="{qop}", nonce="{NONCE}", algorithm={algorithm}'


class WebCamera:
    """`pictures` are numbered as they are asked for; `asked` notes the status of each answer, `shown` each login.

    At /asks.jpg it `offers` these challenges, a header each; at /late.jpg it answers with the status `before` until it
    has `started`.
    """

    def __init__(self) -> None:
        self.picture: Callable[[int], bytes] = jpeg
        self.tag = ""
        self.started = False
        self.before = 404
        self.asked: list[int] = []
        self.shown: list[str] = []
        self.offers: list[str] = []
        self._numbers = count()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/open.jpg", self.serve)
        app.router.add_get("/late.jpg", self.late)
        app.router.add_get("/basic.jpg", self.basic)
        app.router.add_get("/digest.jpg", self.digest)
        app.router.add_get("/asks.jpg", self.asks)
        app.router.add_get("/moved.jpg", self.moved)
        app.router.add_get("/page.jpg", self.page)
        app.router.add_get("/endless.jpg", self.endless)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.shown += request.headers.getall("Authorization", [])
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            self.asked.append(error.status)
            raise
        self.asked.append(answer.status)
        return answer

    async def serve(self, request: web.Request) -> web.Response:
        if self.tag and request.headers.get("If-None-Match") == self.tag:
            return web.Response(status=304)
        headers = {"ETag": self.tag} if self.tag else {}
        return web.Response(body=self.picture(next(self._numbers)), content_type="image/jpeg", headers=headers)

    async def late(self, request: web.Request) -> web.Response:
        if self.started:
            return await self.serve(request)
        return web.Response(status=self.before, headers={"Location": "/login"})

    async def basic(self, request: web.Request) -> web.Response:
        return await self._let_in(request, [BASIC])

    async def digest(self, request: web.Request) -> web.Response:
        return await self._let_in(request, [digest()])

    async def asks(self, request: web.Request) -> web.Response:
        return await self._let_in(request, self.offers)

    async def _let_in(self, request: web.Request, offers: list[str]) -> web.Response:
        """RFC 7617, and RFC 7616 with MD5: by a scheme that it offers."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if any(scheme and scheme.lower() in offer.lower() for offer in offers):
            given = dict(re.findall(r'(\w+)="?([^",]*)"?', token))
            if scheme == "Digest" and given.get("response") == self._expected(request, given):
                return await self.serve(request)
            if scheme == "Basic" and b64decode(token).decode() == f"{USER}:{PASSWORD}":
                return await self.serve(request)
        return web.Response(status=401, headers=CIMultiDict(("WWW-Authenticate", offer) for offer in offers))

    def _expected(self, request: web.Request, given: dict[str, str]) -> str:
        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        body = [md5("")] if given.get("qop") == "auth-int" else []
        what = md5(request.method, str(request.rel_url), *body)
        who = md5(USER, REALM, PASSWORD)
        return md5(who, NONCE, given.get("nc", ""), given.get("cnonce", ""), given.get("qop", ""), what)

    async def moved(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("https://admin:secret@elsewhere.example/new.jpg?pwd=secret")

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text="<html>log in</html>", content_type="text/html")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(jpeg(1) * 100)


@asynccontextmanager
async def serving(camera: WebCamera, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its address, without a path."""
    runner = web.AppRunner(camera.app(), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def web_camera() -> WebCamera:
    return WebCamera()
