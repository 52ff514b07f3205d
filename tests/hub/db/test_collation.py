"""A server's database may have been made in a language: everything stands in the same order as in a SQLite file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from hub.db import listing, people, schema
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


async def test_the_database_of_an_older_fras_is_changed(url: str, tmp_path: Path) -> None:
    def texts(collation: str) -> list[str]:
        query = (
            "SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
            "WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace) "
            f"AND attcollation = (SELECT oid FROM pg_collation WHERE collname = '{collation}')"
        )
        return postgres.server().sql(query, url.rpartition("/")[2]).split()

    async with open_database(url):
        pass
    for table, column in (one.split(".") for one in texts("C")):
        change = f'ALTER TABLE {table} ALTER "{column}" TYPE varchar COLLATE "default"'
        postgres.server().sql(change, url.rpartition("/")[2])
    assert "people.id" in texts("default")
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(schema.upgrade)
    await engine.dispose()
    assert texts("default") == []
    assert "people.id" in texts("C")
