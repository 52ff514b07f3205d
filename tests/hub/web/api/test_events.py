"""Server-sent events: in order, resumed where they were left, soon, and for a bounded number of followers."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from hub.db import outbox
from hub.plugin import Camera, NeedsHuman
from hub.web import events as news
from hub.web.api import events
from tests.support.fras import School
from tests.support.site import API, Site, jpeg, site_of

FRAMES = 104
"""Of the filmed lecture, each an event."""


@dataclass(frozen=True)
class Event:
    id: int | None
    kind: str
    data: Any


class Follower:
    """Reads a stream; `comments` counts heartbeats."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines
        self.comments = 0

    async def numbered(self) -> Event:
        """The next event of the outbox."""
        while (event := await self.next()).id is None:
            pass
        return event

    async def next(self, kind: str = "", within: float = 5) -> Event:
        """The next event of a kind."""
        async with asyncio.timeout(within):
            while True:
                fields: dict[str, str] = {}
                while line := (await anext(self._lines)).decode().rstrip("\n"):
                    name, _, value = line.partition(":")
                    fields[name] = value.strip()
                self.comments += "" in fields
                if "event" in fields and kind in ("", fields["event"]):
                    number = fields.get("id")
                    return Event(int(number) if number else None, fields["event"], json.loads(fields["data"]))


@asynccontextmanager
async def following(site: Site, last: int | None = None, **query: int) -> AsyncIterator[Follower]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with site.client.get(f"{site.address}api/v1/events", headers=headers, params=query) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Follower(aiter(answer.content))


@asynccontextmanager
async def out_of_order(config: object, context: object) -> AsyncIterator[Camera]:
    raise NeedsHuman("the camera is out of order")
    yield


async def last_event(site: Site) -> int:
    return int((await site.get(f"{API}/health")).json["last_event"])


async def test_everything_since_the_beginning_in_order(site: Site) -> None:
    async with following(site, after=0) as follower:
        found = [await follower.next("frame") for _ in range(FRAMES)]
    assert [event.id for event in found] == sorted({event.id for event in found if event.id})
    assert [event.data["outcome"] for event in found].count("recognised") == 4
    assert set(found[0].data) == {"at", "frame", "camera", "captured_at", "outcome", "observations"}


async def test_resumes_after_the_last_event_seen(site: Site) -> None:
    newest = await last_event(site)
    async with following(site, newest - 2, after=0) as follower:
        assert [(await follower.numbered()).id for _ in range(2)] == [newest - 1, newest]


async def test_news_come_within_a_second_of_the_commit(site: Site) -> None:
    async with following(site) as follower:
        await follower.next("health")
        sent = asyncio.create_task(site.send(jpeg("bob")))
        event = await follower.next("frame")
        assert event.data["frame"] == (await sent).json["frame"]
        started = time.monotonic()
        async with site.school.database.write() as connection:
            await outbox.append(connection, "test", {"n": 1})
        assert (await follower.next("test")).data["n"] == 1
        assert time.monotonic() - started < 1


async def test_a_changed_register_is_news(site: Site) -> None:
    async with following(site) as follower:
        await site.send(jpeg("ada"), Captured_At="2026-11-17T09:00:00+01:00")
        event = await follower.next("register")
        assert (event.data["date"], len(event.data["lectures"])) == ("2026-11-17", 1)
        newest = event.id
        await site.school.registers.project(date(2026, 11, 17))
        async with site.school.database.read() as connection:
            assert await outbox.last(connection) == newest, "the same marks again are none"


async def test_says_the_state_of_each_part_and_then_what_changes(site: Site) -> None:
    async with following(site) as follower:
        parts = (await site.get(f"{API}/health")).json["parts"]
        states = {(event := await follower.next("health")).data["id"]: event for _ in parts}
        assert {"push", "door"} <= set(states)
        assert all(event.id is None for event in states.values()), "else a browser would resume from there"
        await site.school.supervisor.stop("push")
        broken = replace(site.school.catalog.spec("camera", "http_push"), open=out_of_order)
        site.school.supervisor.start_camera("push", broken, {}, site.hub.deliver)
        while (event := await follower.next("health")).data["id"] != "push":
            pass
        assert event.data["state"] in ("starting", "needs_human")


async def test_a_follower_from_a_future_that_never_came_is_told_to_begin_anew(site: Site) -> None:
    async with following(site, 10**9) as follower:
        reset = await follower.next()
        assert (reset.kind, reset.id) == ("reset", await last_event(site))


async def test_events_forgotten_since_are_said_to_be_missing(site: Site) -> None:
    newest = await last_event(site)
    async with site.school.database.write() as connection:
        await outbox.append(connection, "test", {"n": 1})
        await outbox.trim(connection, datetime.now(UTC) + timedelta(minutes=1))
        await outbox.append(connection, "test", {"n": 2})
    async with following(site, newest - 5) as follower:
        assert (await follower.next()).kind == "reset"
        assert (await follower.next("test")).data["n"] == 2


async def test_silence_is_broken_by_comments(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    async with following(site) as follower:
        with pytest.raises(TimeoutError):
            await follower.next("frame", within=1)
        assert follower.comments >= 3


async def test_followers_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "MOST", 2)
    async with following(site) as one, following(site) as two:
        await one.next("health")
        await two.next("health")
        answer = await site.get(f"{API}/events")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    async with asyncio.timeout(10):  # whoever has left is noticed at the next write
        while (await site.ask("GET", f"{API}/events?after=x")).status != 400:
            await asyncio.sleep(0.1)


async def test_a_follower_who_does_not_read_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PATIENCE", 0.3)
    async with site.school.database.write() as connection:
        await outbox.append(connection, "test", *({"text": "x" * 1000} for _ in range(20_000)))
    port = int(site.address.rstrip("/").rpartition(":")[2])
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", port))
        idle.sendall(b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with following(site) as other:
            await asyncio.sleep(1.5)
            async with site.school.database.write() as connection:
                await outbox.append(connection, "after", {})
            await other.next("after")
        idle.settimeout(5)
        received = 0
        with suppress(ConnectionResetError):
            while data := idle.recv(1 << 16):
                received += len(data)
        assert received < 20_000_000, "dropped before it had read all"


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9223372036854775808"])
async def test_a_wrong_place_to_begin_is_a_problem(site: Site, wrong: str) -> None:
    assert (await site.get(f"{API}/events", after=wrong)).status == 400
    assert (await site.get(f"{API}/events", headers={"Last-Event-ID": wrong})).status == 400


async def test_the_hub_stops_while_it_is_followed(filmed: School) -> None:
    async with site_of(filmed) as site:
        stream = await site.client.get(f"{site.address}api/v1/events")
        await stream.content.readline()
        started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 3
