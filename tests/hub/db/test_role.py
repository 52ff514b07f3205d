"""The role that docs/postgresql.md has an administrator make: all that FRAS needs, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from hub.db import outbox, people
from hub.db.copying import copy
from hub.db.engine import open_database
from hub.db.people import Person
from tests.support import postgres
from tests.support.fras import ROOT

pytestmark = pytest.mark.sqlite

NAME = "of_the_docs"


@pytest.fixture(scope="module")
def url() -> str:
    """The database made as the page says, by its administrator."""
    page = (ROOT / "docs/postgresql.md").read_text("utf-8")
    (block,) = re.findall(r"^```sql\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    statements = [line for line in block.splitlines() if not line.startswith("\\")]  # psql's own: \password
    assert len(statements) == len(block.splitlines()) - 1
    for statement in statements:
        postgres.server().sql(re.sub(r"\bfras\b", NAME, statement))
    return postgres.server().dsn(NAME).replace("fras@", f"{NAME}@")


async def test_it_suffices_for_all_that_a_hub_and_its_commands_do(url: str, tmp_path: Path) -> None:
    async with open_database(url, own=True) as database:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"))
            await outbox.append(connection, "test", {})
        async with open_database(url) as command, command.write() as connection:
            await people.add(connection, Person("2", "Bob"))
        async with database.read() as connection:
            assert [person.id for person in await people.all(connection)] == ["1", "2"]
    rows = {each.table: each.rows for each in await copy(url, f"sqlite:///{tmp_path}/fras.db")}
    assert rows["people"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE another",
        "CREATE ROLE another",
        "ALTER ROLE fras PASSWORD 'x'",
        "ALTER SYSTEM SET port = 1",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT rolpassword FROM pg_authid",
    ],
)
async def test_it_may_do_nothing_else(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_nobody_else_gets_in(url: str) -> None:
    postgres.server().sql("CREATE ROLE colleague LOGIN")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url.replace(f"{NAME}@", "colleague@"))
