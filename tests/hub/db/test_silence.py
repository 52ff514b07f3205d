"""A PostgreSQL server that says nothing more, while its connections stay: nobody waits for ever, nothing is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hub.db import ledger, people
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseError
from hub.db.people import Person
from hub.inbox import Inbox, open_inbox
from hub.plugin import SystemClock
from hub.refusals import InboxUnavailable
from tests.support import postgres
from tests.support.facts import frame
from tests.support.relay import Wire

PATIENCE = 30
"""Seconds, in which ten waits have ended that each last less than one; a silent server's have no end."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_SECONDS", "PING_SECONDS", "COMMAND_SECONDS"):
        monkeypatch.setattr(f"hub.db.silence.{name}", 0.5)


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    async with Wire(postgres.server().port).open() as relay:
        yield relay


def through(wire: Wire, folder: Path) -> str:
    return postgres.database_of(folder).replace(f":{postgres.server().port}/", f":{wire.port}/")


async def everybody(database: Database) -> list[str]:
    async with database.read() as connection:
        return [person.id for person in await people.all(connection)]


async def test_signs_of_life_are_asked_for(tmp_path: Path) -> None:
    async with open_database(postgres.database_of(tmp_path)) as database, database.read() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        wire = raw._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        lost = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert 0 < lost <= 30_000
        idle, interval, count = (
            wire.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert 0 < idle + interval * count <= 30


@pytest.mark.usefixtures("hasty")
async def test_reading_writing_and_leaving_end_and_work_again_later(tmp_path: Path, wire: Wire) -> None:
    async with asyncio.timeout(PATIENCE), open_database(through(wire, tmp_path)) as database:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
        assert await everybody(database) == ["1"]
        wire.fall_silent()
        for _ in range(2):  # on the connections there were, and on new ones
            with pytest.raises(DatabaseError, match=r"cannot be reached: no answer .*; check the host"):
                await everybody(database)
            with pytest.raises(DatabaseError, match=r"cannot be reached: no answer .*; check the host"):
                async with database.write():
                    pass
        wire.speak()
        assert await everybody(database) == ["1"]
        async with database.write() as connection:
            await people.add(connection, Person("2", "Bob"))
        assert await everybody(database) == ["1", "2"]
        wire.fall_silent()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("committing", [False, True])
async def test_silence_in_the_middle_of_a_transaction(tmp_path: Path, wire: Wire, committing: bool) -> None:
    async def write(database: Database) -> None:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
            wire.fall_silent()
            if not committing:
                await people.all(connection)

    async with asyncio.timeout(PATIENCE), open_database(through(wire, tmp_path)) as database:
        with pytest.raises(DatabaseError, match=r"cannot be reached: no answer within 0\.5 s; check the host"):
            await write(database)
        wire.speak()
        assert await everybody(database) == []
        for way in wire.to_hub:  # the server learns that the client is gone, and ends its transaction
            way.writer.transport.abort()
        async with database.write() as connection:
            await people.add(connection, Person("2", "Bob"))
        assert await everybody(database) == ["2"]


async def accepted(inbox: Inbox, number: int) -> str | None:
    return (await inbox.accept("door", frame(number))).frame_id


@pytest.mark.usefixtures("hasty")
async def test_no_frame_is_lost_or_doubled(tmp_path: Path, wire: Wire) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        open_database(through(wire, tmp_path)) as database,
        open_inbox(database, tmp_path / "inbox", SystemClock()) as inbox,
    ):
        first = await accepted(inbox, 0)
        wire.fall_silent()
        with pytest.raises(InboxUnavailable, match="no answer"):
            await accepted(inbox, 1)
        wire.speak()
        second = await accepted(inbox, 1)
        assert [waiting.id for waiting in await inbox.arrived()] == [first, second]
        async with database.read() as connection:
            assert {waiting.id for waiting in await ledger.pending(connection)} == {first, second}


@pytest.mark.usefixtures("hasty")
async def test_a_frame_whose_commit_was_answered_into_the_void_is_recognised_once(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ledger.add

    async def add_and_go_deaf(*rows: object) -> None:
        await add(*rows)  # type: ignore[arg-type]
        monkeypatch.setattr(ledger, "add", add)
        wire.silent = True
        wire.lose(to_hub=False)

    async with (
        asyncio.timeout(PATIENCE),
        open_database(through(wire, tmp_path)) as database,
        open_inbox(database, tmp_path / "inbox", SystemClock()) as inbox,
    ):
        monkeypatch.setattr(ledger, "add", add_and_go_deaf)
        with pytest.raises(InboxUnavailable, match="no answer"):
            await accepted(inbox, 0)
        wire.speak()
        again = await inbox.accept("door", frame(0))
        assert again.duplicate
        assert [waiting.id for waiting in await inbox.arrived()] == [again.frame_id]
        assert await inbox.read(again.frame_id or "") == frame(0).image
