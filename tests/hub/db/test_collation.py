"""A server's database may have been made in a language: everything stands in the same order as in a SQLite file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from hub.db import listing, people, schema
from hub.db.copying import copy
from hub.db.engine import open_database
from hub.db.people import Person
from tests.support import postgres

IDS = ["Z", "a", "B", "ä", "zoe", "Zoë", "_", "-", "a b", "a-b", "ab", "Ж", "\U0001f98a"]


pytestmark = pytest.mark.sqlite


@pytest.fixture
def url(tmp_path: Path) -> str:
    if not postgres.server().german:
        pytest.skip("the locale de_DE.UTF-8 cannot be made here (apt-get install locales)")
    return postgres.database_of(tmp_path)


def ask(url: str, statement: str) -> str:
    return postgres.server().sql(statement, url.rpartition("/")[2])


def texts(url: str, collation: str) -> set[str]:
    """The columns of tables that are in that order."""
    query = (
        "SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace) "
        f"AND attcollation = (SELECT oid FROM pg_collation WHERE collname = '{collation}')"
    )
    return set(ask(url, query).split())


async def make_older(url: str) -> None:
    """A school as a FRAS made it that did not care for the order of texts."""
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(schema.upgrade, "0007")
    await engine.dispose()
    changes = "; ".join(
        f'ALTER TABLE {table} ALTER "{column}" TYPE varchar COLLATE "default"'
        for table, column in (one.split(".") for one in texts(url, "C"))
    )
    ask(url, changes)
    assert texts(url, "C") == set()


async def test_the_tests_databases_are_in_a_language(url: str) -> None:
    query = "SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY['a', 'B', 'Z', 'ä']) AS x"
    assert postgres.server().sql(query, url.rpartition("/")[2]) == "{a,ä,B,Z}"


async def test_people_stand_in_the_order_of_a_file_and_pages_leave_nobody_out(url: str, tmp_path: Path) -> None:
    orders = []
    for each in (url, f"sqlite:///{tmp_path}/fras.db"):
        async with open_database(each) as database:
            async with database.write() as connection:
                await people.add(connection, *(Person(name, name) for name in IDS))
            async with database.read() as connection:
                orders.append([person.id for person in await people.all(connection)])
                turned: list[str] = []
                while page := await listing.people(connection, after=(turned[-1],) if turned else None, limit=1):
                    turned.append(page[0]["id"])
                orders.append(turned)
    assert orders == [sorted(IDS, key=str.encode)] * 4


async def test_the_database_of_an_older_fras_is_changed(url: str) -> None:
    await make_older(url)
    async with open_database(url):
        pass
    assert texts(url, "default") == set()
    assert {"people.id", "alembic_version.version_num"} < texts(url, "C")


async def test_tables_that_are_not_of_fras_are_left_alone(url: str) -> None:
    """Whoever they belong to: another program's user, or the same."""
    name = url.rpartition("/")[2]
    ask(url, f"CREATE ROLE {name} LOGIN; ALTER DATABASE {name} OWNER TO {name}")
    url = url.replace("fras@", f"{name}@")
    await make_older(url)
    ask(url, f"CREATE TABLE library (book text); CREATE TABLE canteen (dish text); ALTER TABLE canteen OWNER TO {name}")
    async with open_database(url, own=True):
        pass
    assert texts(url, "default") == {"canteen.dish", "library.book"}


async def test_what_somebodys_view_needs_keeps_its_order_and_all_else_goes_on(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await make_older(url)
    ask(url, "CREATE VIEW names AS SELECT id, upper(name) AS name FROM people; CREATE VIEW few AS SELECT * FROM names")
    ask(url, "CREATE MATERIALIZED VIEW present AS SELECT person, status FROM marks; CREATE SCHEMA reports")
    ask(url, "CREATE VIEW reports.ids AS SELECT p.id FROM people AS p")
    views = {"people.id", "people.name", "marks.person", "marks.status"}
    with caplog.at_level(logging.WARNING, "fras"):
        async with open_database(url, own=True) as database, database.write() as connection:
            await people.add(connection, *(Person(name, name) for name in IDS))
    assert texts(url, "default") == views
    first, second = (record.getMessage() for record in caplog.records)
    assert "materialized view present: drop that, start FRAS, make it again" in first
    assert "table people stay" in second
    assert "because of view names, view reports.ids: drop" in second
    copied = await copy(url, f"sqlite:///{tmp_path}/copy.db")
    assert {each.table: each.rows for each in copied}["people"] == len(IDS)

    ask(url, "DROP VIEW names CASCADE; DROP VIEW reports.ids; DROP MATERIALIZED VIEW present")
    caplog.clear()
    async with open_database(url, own=True):
        pass
    assert (texts(url, "default"), caplog.records) == (set(), [])
