"""Opening, refusing, migrating, and the two kinds of transaction."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.db import engine, gallery, people, schema, school
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseError, DatabaseFull, DatabaseTooNew
from hub.db.people import Person
from tests.support.facts import url_of

pytestmark = pytest.mark.sqlite


async def pragma(database: Database, name: str) -> object:
    async with database.write() as connection:
        return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()


async def test_a_new_database_is_its_owners_alone_and_durable(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path / "new")) as database:
        assert await pragma(database, "journal_mode") == "wal"
        assert await pragma(database, "synchronous") == 2
        assert await pragma(database, "foreign_keys") == 1
        assert await pragma(database, "secure_delete") == 1
        assert await pragma(database, "busy_timeout") == engine.BUSY_SECONDS * 1000
        modes = [stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()]
    assert set(modes) == {0o600}


async def test_a_file_that_is_mostly_empty_shrinks(tmp_path: Path) -> None:
    file = tmp_path / "fras.db"
    async with open_database(url_of(tmp_path)) as database:
        async with database.write() as connection:
            await connection.execute(
                text("INSERT INTO outbox (at, kind, payload) VALUES ('', 'frame', :payload)"),
                [{"payload": "x" * 1000}] * 4000,
            )

        async def keep(first: int) -> int:
            async with database.write() as connection:
                await connection.execute(text("DELETE FROM outbox WHERE id >= :first"), {"first": first})
            await database.give_back()
            await database.forget_log()
            return file.stat().st_size

        whole = await keep(4000)
        assert await keep(2500) == whole, "more than half is in use: the rest will be again"
        assert await keep(100) < whole / 5
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar() == 99


async def test_what_is_written_is_there_after_opening_again(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database, database.write() as connection:
        await school.rename(connection, "Łódź 5")
        first = await school.id_of(connection)
    async with open_database(url_of(tmp_path)) as database, database.read() as connection:
        assert await school.name_of(connection) == "Łódź 5"
        assert await school.id_of(connection) == first


async def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.read() as connection:
        assert await people.all(connection) == []


async def test_concurrent_writers_take_turns(database: Database) -> None:
    async def bump() -> None:
        async with database.write() as connection:
            seen = await gallery.version(connection)
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE gallery_version SET version = :v"), {"v": seen + 1})

    await asyncio.gather(*(bump() for _ in range(30)))
    async with database.read() as connection:
        assert await gallery.version(connection) == 30


async def test_a_file_that_cannot_even_be_looked_for_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be read: File name too long"):
        async with open_database(f"sqlite:///{tmp_path}/{'x' * 300}", read_only=True):
            pass


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseError, match="may not be written"):
        async with database.read() as connection:
            await people.add(connection, Person("1", "Ada"))


async def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    async with database.read() as reader:
        assert await people.all(reader) == []
        async with database.write() as writer:
            await people.add(writer, Person("1", "Ada"))
        assert await people.all(reader) == []
    async with database.read() as reader:
        assert len(await people.all(reader)) == 1


async def test_read_only_works_while_another_process_writes(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
        async with database.write() as writer:
            await people.add(writer, Person("2", "Bob"))
            async with open_database(url_of(tmp_path), read_only=True) as beside:
                async with beside.read() as connection:
                    assert [person.id for person in await people.all(connection)] == ["1"]
                with pytest.raises(DatabaseError, match="opened for reading"):
                    async with beside.write():
                        pass


async def test_read_only_changes_nothing_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"there is no database .*fras\.db yet; start the hub"):
        async with open_database(url_of(tmp_path / "none"), read_only=True):
            pass
    assert not (tmp_path / "none").exists()


async def test_a_lock_held_by_another_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    async with open_database(url_of(tmp_path)) as database:
        with closing(sqlite3.connect(tmp_path / "fras.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseError, match="is being written by another program"):
                async with database.write():
                    pass
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))


async def test_a_full_disk_is_said_and_survived(database: Database) -> None:
    async with database.write() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseFull, match="no room left"):
        async with database.write() as connection:
            await people.add(connection, *(Person(f"{number}", "x" * 500) for number in range(300)))
    async with database.write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=100000")
        assert await people.all(connection) == []
        await people.add(connection, Person("1", "Ada"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("fras.db", "not a database URL"),
        ("mysql://localhost/fras", "kind 'mysql' are not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
async def test_urls_that_cannot_be(url: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said):
        async with open_database(url):
            pass


async def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="cannot be written: File exists; give the user"):
        async with open_database(url_of(tmp_path / "file")):
            pass
    (tmp_path / "fras.db").mkdir()
    with pytest.raises(DatabaseError, match="cannot be written: Is a directory"):
        async with open_database(url_of(tmp_path)):
            pass


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_damaged_file_is_said(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / "fras.db").write_bytes(os.urandom(8192))
    with pytest.raises(DatabaseError, match="is not a database, or it is damaged; restore a backup"):
        async with open_database(url_of(tmp_path), read_only=read_only):
            pass


async def test_damage_found_later_is_said(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database, database.write() as connection:
        await people.add(connection, *(Person(f"{number}", "x" * 500) for number in range(300)))
    file = tmp_path / "fras.db"
    data = bytearray(file.read_bytes())
    data[4096 * 50 :] = b"\xff" * (len(data) - 4096 * 50)
    file.write_bytes(data)
    with pytest.raises(DatabaseError, match="is damaged; stop the hub and restore"):
        async with open_database(url_of(tmp_path), read_only=True) as database, database.read() as connection:
            await people.all(connection)


async def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "fras.db")) as other:
        other.execute("CREATE TABLE books (title TEXT)")
    with pytest.raises(DatabaseError, match="was not made by FRAS"):
        async with open_database(url_of(tmp_path)):
            pass


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_schema_is_refused_by_name(tmp_path: Path, read_only: bool) -> None:
    async with open_database(url_of(tmp_path)) as database, database.write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0742'")
    with pytest.raises(DatabaseTooNew, match=f"at schema 0742, newer than the {schema.HEAD} this FRAS knows"):
        async with open_database(url_of(tmp_path), read_only=read_only):
            pass


HEAD, AFTER = schema.HEAD, f"{int(schema.HEAD) + 1:04}"
NEXT = f"""
import sqlalchemy as sa
from alembic import op
revision = "{AFTER}"
down_revision = "{HEAD}"
def upgrade():
    with op.batch_alter_table("people", recreate="always") as people:
        people.add_column(sa.Column("house", sa.String()))
    {{then}}
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FRAS with one more migration: the file to write it to."""
    migrations = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    return migrations / "versions" / f"r{AFTER}.py"


async def fill(folder: Path) -> None:
    async with open_database(url_of(folder)) as database, database.write() as connection:
        await people.add(connection, Person("1", "Ada"))
        await connection.exec_driver_sql(
            "INSERT INTO consent_events (person, signer, state, at, notice_version)"
            " VALUES ('1', 'x', 'granted', '2026-01-01 00:00:00.000000', '')"
        )


async def test_an_older_schema_is_migrated_after_a_copy(
    tmp_path: Path, next_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path)
    (tmp_path / "fras.db.before-0000").touch()
    next_release.write_text(NEXT.format(then=""))
    monkeypatch.setattr(schema, "HEAD", AFTER)
    with pytest.raises(DatabaseError, match=f"is at schema {HEAD}, this FRAS needs {AFTER}; run fras run once"):
        async with open_database(url_of(tmp_path), read_only=True):
            pass
    async with open_database(url_of(tmp_path)) as database, database.read() as connection:
        assert [person.name for person in await people.all(connection)] == ["Ada"]
        assert (await connection.exec_driver_sql("SELECT house FROM people")).all() == [(None,)]
        assert (await connection.exec_driver_sql("SELECT count(*) FROM consent_events")).scalar() == 1
    (copy,) = tmp_path.glob("fras.db.before-*")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert old.execute("SELECT name FROM people").fetchall() == [("Ada",)]


async def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, next_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path)
    next_release.write_text(NEXT.format(then="op.execute('DELETE FROM people')"))
    with monkeypatch.context() as newer:
        newer.setattr(schema, "HEAD", AFTER)
        with pytest.raises(DatabaseError, match="would break references of its table consent_events"):
            async with open_database(url_of(tmp_path)):
                pass
    async with open_database(url_of(tmp_path)) as database, database.read() as connection:
        assert [person.name for person in await people.all(connection)] == ["Ada"]


async def test_two_programs_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    async def look() -> str:
        async with open_database(url_of(tmp_path)) as database, database.read() as connection:
            return await school.id_of(connection)

    assert len(set(await asyncio.gather(*(look() for _ in range(4))))) == 1


async def test_a_new_file_that_somebody_is_writing_is_waited_for(tmp_path: Path) -> None:
    """SQLite answers *locked* at once to who would give it a log."""
    with closing(sqlite3.connect(tmp_path / "fras.db", isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("BEGIN IMMEDIATE")

        async def leave() -> None:
            await asyncio.sleep(0.2)
            other.execute("ROLLBACK")

        async def enter() -> None:
            async with open_database(url_of(tmp_path)):
                pass

        await asyncio.gather(leave(), enter())


async def test_a_copy_from_before_an_upgrade_goes_after_its_time(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        copy = schema.copy_file(tmp_path / "fras.db")
        made = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
        await database.forget_copies(made - timedelta(seconds=1))
        assert copy.exists()
        await database.forget_copies(made + timedelta(seconds=1))
        assert not copy.exists()
