"""What was sent elsewhere outlives the person it is about."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.db import people, remote
from hub.db.engine import Database
from hub.db.people import Person

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


async def test_nothing_is_forgotten_before_the_service_has(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("ada", "Ada"))
        await remote.record(connection, "cloud", "ada", {"a" * 64: "", "b" * 64: "no face"}, NOW)
        await remote.record(connection, "cloud", "ada", {"b" * 64: ""}, NOW)
        await remote.record(connection, "other", "bob", {"a" * 64: ""}, NOW)
        await people.remove(connection, "ada")
    async with database.read() as connection:
        assert await remote.sent(connection, "cloud") == {"ada": {"a" * 64: "", "b" * 64: ""}}
        assert await remote.holders(connection, "ada") == ["cloud"]
    async with database.write() as connection:
        await remote.forget(connection, "cloud", ["ada", "bob"])
        assert await remote.sent(connection, "cloud") == {}
        assert await remote.holders(connection, "bob") == ["other"]
