"""The site on a real socket: who is answered, with which headers, and what a fault looks like from outside."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from hub.failure import Failure
from hub.web.problems import Problem
from hub.web.security import HEADERS
from hub.web.server import guarded, serving


@pytest_asyncio.fixture
async def address() -> AsyncIterator[str]:
    async def fine(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def faulty(request: web.Request) -> web.Response:
        raise KeyError("secret of somebody")

    async def failing(request: web.Request) -> web.Response:
        raise Failure("the disk is full", hint="free some space")

    async def refusing(request: web.Request) -> web.Response:
        raise Problem(404, "no <b>such</b> thing", hint="look elsewhere")

    app = guarded()
    app.router.add_route("*", "/fine", fine)
    for prefix in ("", "/api/v1"):
        app.router.add_get(f"{prefix}/faulty", faulty)
        app.router.add_get(f"{prefix}/failing", failing)
        app.router.add_get(f"{prefix}/refusing", refusing)
    async with serving(app, "127.0.0.1", 0) as where:
        yield where


async def ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, str]:
    async with (
        aiohttp.ClientSession(headers={name.replace("_", "-"): value for name, value in headers.items()}) as client,
        client.request(method, address + path) as answer,
    ):
        return answer, await answer.text()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9000", "localhost", "LOCALHOST:8123", "[::1]", "[::1]:8123", "127.8.9.10"]
)
async def test_answers_to_its_own_names(address: str, host: str) -> None:
    answer, text = await ask(address, "fine", Host=host)
    assert (answer.status, text) == (200, "fine")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8123",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.7",
        "[::2]",
        "[::1",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:evil",
        "127.0.0.1/evil",
        "localhost.",
        "2130706433",
    ],
)
@pytest.mark.parametrize("path", ["fine", "api/v1/failing", "nothing"])
async def test_refuses_strangers_names(address: str, host: str, path: str) -> None:
    """DNS rebinding: a stranger's name leads to this machine, and the stranger's page would read the panel."""
    answer, text = await ask(address, path, Host=host)
    assert answer.status == 421
    assert "answers only as localhost or 127.0.0.1" in text


async def test_refuses_a_request_without_a_host(address: str) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /fine HTTP/1.0\r\n\r\n")
    assert (await reader.read(1000)).startswith(b"HTTP/1.0 421 ")
    writer.close()
    await writer.wait_closed()


OWN = "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 200),
        ("POST", {"Sec_Fetch_Site": "same-origin", "Origin": OWN}, 200),
        ("POST", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("POST", {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1:3000"}, 403),
        ("POST", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 403),
        ("POST", {"Origin": OWN}, 200),
        ("POST", {"Origin": "http://127.0.0.1:3000"}, 403),
        ("POST", {"Origin": "https://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://[evil"}, 403),
        ("DELETE", {"Origin": "https://evil.example"}, 403),
        ("PUT", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("GET", {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("GET", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),
    ],
)
async def test_only_its_own_pages_and_programs_may_ask(
    address: str, method: str, headers: dict[str, str], status: int
) -> None:
    answer, _ = await ask(address, "fine", method, Host="127.0.0.1:8123", **headers)
    assert answer.status == status


@pytest.mark.parametrize("path", ["fine", "nothing", "faulty", "api/v1/refusing"])
async def test_every_answer_has_the_security_headers(address: str, path: str) -> None:
    answer, _ = await ask(address, path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Server"] == "FRAS"


async def test_a_fault_tells_nothing_but_that_it_is_one(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "fras"):
        for path, kind in (("faulty", "text/html"), ("api/v1/faulty", "application/problem+json")):
            answer, text = await ask(address, path)
            assert (answer.status, answer.content_type) == (500, kind)
            assert "a fault of FRAS itself" in text
            assert "KeyError" not in text
    assert "KeyError" in caplog.text
    assert "test_server.py, line" in caplog.text


async def test_a_failure_says_the_next_step(address: str) -> None:
    answer, _ = await ask(address, "failing")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    answer, text = await ask(address, "api/v1/failing")
    assert '"detail": "the disk is full", "hint": "free some space"' in text


async def test_problems_are_escaped_in_pages(address: str) -> None:
    answer, text = await ask(address, "refusing")
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "no &lt;b&gt;such&lt;/b&gt; thing" in text
    assert "look elsewhere" in text


async def test_a_wrong_method_says_which_are_right(address: str) -> None:
    answer, text = await ask(address, "faulty", "POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
    assert "use GET,HEAD" in text


async def test_a_port_in_use_is_named_with_a_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Failure) as failure:
            async with serving(guarded(), "127.0.0.1", port):
                pass
    assert f"port {port} of 127.0.0.1 is in use by another program" in failure.value.message
    assert "http: port:" in failure.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "fras.example"])
async def test_never_listens_where_others_reach_it(host: str) -> None:
    with pytest.raises(Failure, match="no accounts yet and may not listen") as failure:
        async with serving(guarded(), host, 0):
            pass
    assert "127.0.0.1" in failure.value.hint


async def test_listens_on_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with serving(guarded(), "::1", 0) as address:
        assert address.startswith("http://[::1]:")
        answer, _ = await ask(address, "nothing")
        assert answer.status == 404


async def test_stops_soon_while_somebody_waits_for_an_answer() -> None:
    asked = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    app = guarded()
    app.router.add_get("/slow", slow)
    async with serving(app, "127.0.0.1", 0) as address:
        waiting = asyncio.create_task(ask(address, "slow"))
        await asked.wait()
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with pytest.raises(aiohttp.ClientError):
        await waiting
