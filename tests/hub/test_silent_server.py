"""The hub while the PostgreSQL server under it refuses, and while it says nothing more: nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support import postgres
from tests.support.fras import School
from tests.support.relay import Wire
from tests.support.running import PATIENCE
from tests.support.site import PUSH, Answer, Site, jpeg, site_of

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


async def until(what: str, true: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + PATIENCE
    while not await true():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.05)


async def sent(site: Site, number: int) -> Answer:
    return await site.send(jpeg("ada"), Idempotency_Key=f"push-{number}")


def on(url: str) -> str:
    return PUSH.replace("hub: {", f'hub: {{database: "{url}", ').replace("mode: once", "mode: watch")


@pytest.fixture
def name(school: School) -> str:
    """Of a database in which somebody is enrolled."""
    made = postgres.database_of(school.folder / "behind the wire")
    (school.folder / "hub.yaml").write_text(on(made), "utf-8")
    school.enrol("ada")
    return made.rpartition("/")[2]


@pytest.mark.parametrize("refusing", [False, True])
async def test_frames_are_refused_in_time_and_go_on_afterwards(
    school: School, name: str, monkeypatch: pytest.MonkeyPatch, refusing: bool
) -> None:
    """Also those of a camera whose pictures lie in a folder, and nothing is left of it: no task, no connection."""
    for seconds in ("CONNECT_SECONDS", "PING_SECONDS", "COMMAND_SECONDS"):
        monkeypatch.setattr(f"hub.db.silence.{seconds}", 2)
    server = postgres.server()

    def count(query: str) -> int:
        return int(server.sql(f"SELECT count(*) FROM {query}", name))

    async def recognised(number: int) -> bool:
        return await asyncio.to_thread(count, "frames WHERE outcome = 'recognised'") == number

    async with Wire(server.port).open() as wire:
        through = server.dsn(name).replace(f":{server.port}/", f":{wire.port}/")
        async with asyncio.timeout(4 * PATIENCE), site_of(school, on(through)) as site:
            assert (await sent(site, 0)).status == 202
            school.frame("0.png", NINE, "ada")
            await until("two are recognised", lambda: recognised(2))
            wire.plugged = not refusing
            wire.fall_silent()
            refused = await sent(site, 1)
            assert (refused.status, "Retry-After" in refused.headers) == (503, True)
            school.frame("1.png", NINE + timedelta(seconds=1), "ada")
            assert (await site.get("/people")).status == 503
            wire.plugged = True
            wire.speak()

            async def taken() -> bool:
                return (await sent(site, 1)).status in (200, 202)

            await until("the frame is taken", taken)
            await until("all are recognised", lambda: recognised(4))
            assert (await site.get("/people")).status == 200
        assert await asyncio.to_thread(count, "frames") == 4
        assert await asyncio.to_thread(count, "observations") == 4
    await until("no connection is left", lambda: asyncio.to_thread(nobody_on, name))
    assert not list(Path(school.folder / "data/inbox").glob("*-*"))


def nobody_on(name: str) -> bool:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    return postgres.server().sql(query) == "0"
