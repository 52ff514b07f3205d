"""What only a server can do to a database: refuse, stop in the middle, and serve several programs at once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from hub.db import outbox, people
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseError, DatabaseInUse, DatabaseTooNew
from hub.db.holding import HUB
from hub.db.people import Person
from tests.support import postgres


async def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(DatabaseError, match=r"cannot be reached: Connection refused; check the host") as said:
        async with open_database("postgresql://fras:secret@127.0.0.1:1/school"):
            pass
    assert "secret" not in str(said.value)


async def test_a_database_that_is_not_there_is_said() -> None:
    with pytest.raises(DatabaseError, match=r"does not exist on its server; create it"):
        async with open_database(postgres.server().dsn("nobodys")):
            pass


async def test_somebody_elses_and_a_newer_database_are_refused(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)
    name = url.rpartition("/")[2]
    postgres.server().sql("CREATE TABLE theirs (id int)", name)
    with pytest.raises(DatabaseError, match="was not made by FRAS"):
        async with open_database(url):
            pass
    postgres.server().sql("DROP TABLE theirs", name)
    async with open_database(url):
        pass
    postgres.server().sql("UPDATE alembic_version SET version_num = '9999'", name)
    with pytest.raises(DatabaseTooNew, match="newer than"):
        async with open_database(url):
            pass


async def test_a_user_who_is_not_let_in_is_said(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path).replace("fras@", "stranger@")
    with pytest.raises(DatabaseError, match=r"does not let this user in from this machine; .* pg_hba.conf"):
        async with open_database(url):
            pass


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_database_in_which_no_school_can_be_is_said(tmp_path: Path, read_only: bool) -> None:
    server, url = postgres.server(), postgres.database_of(tmp_path)
    name = url.rpartition("/")[2]
    server.sql(f"CREATE ROLE {name} LOGIN")
    with pytest.raises(DatabaseError, match="does not let this user make tables; make the user its owner"):
        async with open_database(url.replace("fras@", f"{name}@"), read_only=read_only):
            pass
    server.sql(f"CREATE DATABASE {name}l TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(DatabaseError, match="is encoded as LATIN1, in which not every name can be written"):
        async with open_database(f"{url}l", read_only=read_only):
            pass


async def test_reading_cannot_write(tmp_path: Path) -> None:
    async with open_database(postgres.database_of(tmp_path)) as database:
        with pytest.raises(DatabaseError):
            async with database.read() as connection:
                await people.add(connection, Person("1", "Ada"))
        async with database.read() as connection:
            assert await people.all(connection) == []


async def test_two_programs_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)

    async def one() -> None:
        async with open_database(url) as database, database.read() as connection:
            assert await people.all(connection) == []

    await asyncio.gather(one(), one())


async def test_events_of_several_programs_are_numbered_in_the_order_of_their_commits(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)
    seen: list[int] = []
    async with open_database(url) as one, open_database(url) as other, open_database(url, read_only=True) as follower:

        async def tell(database: Database, count: int) -> None:
            for number in range(count):
                async with database.write() as connection:
                    await outbox.append(connection, "test", {"number": number})
                    await asyncio.sleep(0)

        async def follow() -> None:
            while len(seen) < 60:
                async with follower.read() as connection:
                    seen.extend(event.id for event in await outbox.after(connection, seen[-1] if seen else 0, 100))

        async with asyncio.timeout(60):
            await asyncio.gather(tell(one, 30), tell(other, 30), follow())
    assert seen == sorted(seen)
    assert len(seen) == 60


async def _cut_off(database: Database, server: postgres.Server, how: signal.Signals) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("2", "Bob"))
        await asyncio.to_thread(server.stop, how)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_is_restarted_in_the_middle_of_a_write(tmp_path: Path, how: signal.Signals) -> None:
    """What was not committed is not there, what was is, and the next write needs nobody's help."""
    server = postgres.Server()
    try:
        async with open_database(server.dsn("postgres")) as database:
            async with database.write() as connection:
                await people.add(connection, Person("1", "Ada"))
            with pytest.raises(DatabaseError, match=r"tried again|try again|lets this machine in"):
                await _cut_off(database, server, how)
            with pytest.raises(DatabaseError):
                async with database.write():
                    pass
            await asyncio.to_thread(server.start)
            async with database.write() as connection:
                await people.add(connection, Person("3", "Cem"))
            async with database.read() as connection:
                assert [person.id for person in await people.all(connection)] == ["1", "3"]
    finally:
        server.remove()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second hub does not wait whether the first is about to go."""
    monkeypatch.setattr("hub.db.holding.HANDOVER_SECONDS", 0.1)


@pytest.mark.usefixtures("hasty")
async def test_a_second_hub_is_told_who_the_first_is_and_commands_are_not_kept_out(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)
    async with open_database(url, own=True) as first:
        with pytest.raises(
            DatabaseInUse, match=r"a hub is already running on .* from 127\.0\.0\.1, since 20.*; stop it first"
        ) as said:
            async with open_database(url, own=True):
                pass
        assert "fras@" in str(said.value)
        async with open_database(url) as command, command.write() as connection:
            await people.add(connection, Person("1", "Ada"))
        async with first.write() as connection:
            await people.add(connection, Person("2", "Bob"))
    async with open_database(url, own=True):
        pass


@pytest.mark.usefixtures("hasty")
async def test_a_hub_whose_connection_was_cut_holds_its_database_again_before_it_writes(tmp_path: Path) -> None:
    url = postgres.database_of(tmp_path)
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = {HUB}"
    async with open_database(url, own=True) as first:
        postgres.server().sql(cut, url.rpartition("/")[2])
        async with first.write() as connection:
            await people.add(connection, Person("1", "Ada"))
        with pytest.raises(DatabaseInUse):
            async with open_database(url, own=True):
                pass
        postgres.server().sql(cut, url.rpartition("/")[2])
        async with open_database(url, own=True) as second:
            with pytest.raises(DatabaseInUse):
                async with first.write():
                    pass
            async with second.write() as connection:
                await people.add(connection, Person("2", "Bob"))
        async with first.write() as connection:
            await people.add(connection, Person("3", "Cem"))
            assert [person.id for person in await people.all(connection)] == ["1", "2", "3"]


async def test_a_writer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.db.engine.BUSY_SECONDS", 1)
    async with open_database(postgres.database_of(tmp_path)) as one, open_database(one.name) as other:
        async with one.write():
            with pytest.raises(DatabaseError, match="is being written by another program; wait"):
                async with other.write():
                    pass
        async with other.write() as connection:
            await people.add(connection, Person("1", "Ada"))
