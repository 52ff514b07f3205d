"""Many who want a PostgreSQL database at once: who cannot have it is told so, and nothing is broken afterwards."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from hub.db import people, settings
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseError
from hub.db.people import Person
from hub.db.servers import READERS
from tests.support import postgres


async def everybody(database: Database) -> list[str]:
    async with database.read() as connection:
        return [person.name for person in await people.all(connection)]


async def test_readers_beyond_the_pool_wait_for_their_turn(tmp_path: Path) -> None:
    async with open_database(postgres.database_of(tmp_path)) as database:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
        assert await asyncio.gather(*(everybody(database) for _ in range(40))) == [["Ada"]] * 40


async def test_a_reader_who_waits_too_long_is_told_and_writers_are_not_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.db.servers.POOL_SECONDS", 0.2)
    async with open_database(postgres.database_of(tmp_path)) as database:
        async with AsyncExitStack() as stack:
            for _ in range(READERS):
                await stack.enter_async_context(database.read())
            with pytest.raises(DatabaseError, match="is overburdened: no connection to it was free in time"):
                await everybody(database)
            async with database.write() as connection:
                await people.add(connection, Person("1", "Ada"))
        assert await everybody(database) == ["Ada"]


async def test_a_server_without_a_connection_left_is_said_and_serves_again(tmp_path: Path) -> None:
    server, url = postgres.server(), postgres.database_of(tmp_path)
    name = url.rpartition("/")[2]
    server.sql(f'CREATE ROLE {name}_owner LOGIN; ALTER DATABASE "{name}" OWNER TO {name}_owner')
    async with open_database(url.replace("fras@", f"{name}_owner@")) as database:
        assert await everybody(database) == []
        server.sql(f"ALTER ROLE {name}_owner CONNECTION LIMIT 0")
        answers = await asyncio.gather(*(everybody(database) for _ in range(3)), return_exceptions=True)
        refused = [answer for answer in answers if answer != []]
        assert refused
        assert all(isinstance(answer, DatabaseError) for answer in refused)
        assert all("has no connection left for FRAS; raise max_connections" in str(answer) for answer in refused)
        server.sql(f"ALTER ROLE {name}_owner CONNECTION LIMIT -1")
        assert await asyncio.gather(*(everybody(database) for _ in range(3))) == [[]] * 3


async def test_what_one_program_read_no_other_changes_before_it_writes(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)

    async def count(database: Database) -> None:
        for _ in range(20):
            async with database.write() as connection:
                seen = int(await settings.get(connection, "count") or 0)
                await asyncio.sleep(0)
                await settings.put(connection, "count", seen + 1)

    async with open_database(url) as one, open_database(url) as other:
        await asyncio.gather(count(one), count(other))
        async with one.read() as connection:
            assert await settings.get(connection, "count") == 40


async def test_a_conflict_with_somebody_elses_transaction_is_said_and_may_be_tried_again(tmp_path: Path) -> None:
    """A deadlock, which PostgreSQL ends at the cost of FRAS."""
    url = postgres.database_of(tmp_path)

    async def rename(database: Database, ready: asyncio.Event | None = None) -> None:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada Byron"))
            if ready:
                ready.set()
            await people.add(connection, Person("2", "Bob Ross"))

    async with open_database(url) as database:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        other = await asyncpg.connect(url)
        try:
            await other.execute("SET deadlock_timeout = '1min'; BEGIN; UPDATE people SET name = 'Bo' WHERE id = '2'")
            ready = asyncio.Event()
            ours = asyncio.create_task(rename(database, ready))
            await ready.wait()
            theirs = asyncio.create_task(other.execute("UPDATE people SET name = 'Al' WHERE id = '1'"))
            with pytest.raises(DatabaseError, match=r"was being changed by another program .*; try again"):
                await ours
            await theirs
            await other.execute("ROLLBACK")
        finally:
            await other.close()
        assert await everybody(database) == ["Ada", "Bob"]
        await rename(database)
        assert await everybody(database) == ["Ada Byron", "Bob Ross"]
