"""What was sent elsewhere outlives the person it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.db import people, remote
from hub.db.engine import Database, open_database
from hub.db.people import Person
from tests.support.facts import older_fras, url_of

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


async def test_nothing_is_forgotten_before_the_service_has(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("ada", "Ada"))
        for gallery, person in (("cloud", "ada"), ("other", "ada"), ("other", "bob")):
            await remote.begin(connection, gallery, person, NOW)
        await remote.record(connection, "cloud", "ada", {"a" * 64: "", "b" * 64: "no face"}, NOW)
        await remote.record(connection, "cloud", "ada", {"b" * 64: ""}, NOW)
        await remote.record(connection, "other", "ada", {"b" * 64: "no face"}, NOW)
        await remote.record(connection, "other", "bob", {"a" * 64: ""}, NOW)
        await people.remove(connection, "ada")
    async with database.read() as connection:
        assert await remote.sent(connection, "cloud") == {"ada": {"a" * 64: "", "b" * 64: ""}}
        assert await remote.answers(connection, "ada") == {
            "cloud": {"a" * 64: "", "b" * 64: ""},
            "other": {"b" * 64: "no face"},
        }
        assert await remote.holders(connection, "ada") == await remote.galleries(connection) == ["cloud", "other"]
    async with database.write() as connection:
        assert await remote.forget(connection, "cloud", "ada", NOW)
        assert await remote.forget(connection, "cloud", "bob", NOW)
        assert await remote.sent(connection, "cloud") == {}
        assert await remote.holders(connection, "ada") == await remote.holders(connection, "bob") == ["other"]


async def test_pseudonyms_tell_nothing_and_are_kept_until_the_person_is_deleted(database: Database) -> None:
    async with database.write() as connection:
        for gallery, person in (("cloud", "ada"), ("cloud", "bob"), ("other", "ada"), ("cloud", "ada")):
            await remote.begin(connection, gallery, person, NOW)
        before = await remote.pseudonyms(connection, "cloud")
        assert await remote.pseudonym(connection, "cloud", "ada") == before["ada"]
        assert await remote.pseudonym(connection, "other", "ada") not in before.values()
        assert await remote.called(connection, "cloud", [*before.values(), "ada"]) == {
            name: person for person, name in before.items()
        }
        assert all(len(bytes.fromhex(name)) == 16 for name in before.values())
        await remote.record(connection, "cloud", "ada", {}, NOW)
        assert await remote.forget(connection, "cloud", "ada", NOW)
        await remote.begin(connection, "cloud", "ada", NOW)
        assert await remote.pseudonym(connection, "cloud", "ada") not in (None, before["ada"])


async def test_whoever_is_being_sent_is_not_called_deleted(database: Database) -> None:
    async with database.write() as connection:
        await remote.begin(connection, "cloud", "ada", NOW)
        assert not await remote.forget(connection, "cloud", "ada", NOW + timedelta(minutes=9))
        assert await remote.holders(connection, "ada") == ["cloud"]
        assert await remote.forget(connection, "cloud", "ada", NOW + timedelta(minutes=11)), "its process was killed"
        await remote.begin(connection, "cloud", "ada", NOW)
        assert await remote.forget(connection, "cloud", "ada", NOW - timedelta(minutes=1)), "the clock ran ahead then"


async def test_what_an_older_fras_sent_is_found_where_it_is(database: Database) -> None:
    async with database.write() as connection:
        await remote.begin(connection, "cloud", "ada", NOW)
        await remote.begin(connection, "cloud", "bob", NOW)
        await remote.record(connection, "cloud", "ada", {"a" * 64: ""}, NOW)
        await remote.begin(connection, "azure here", "bob", NOW)
        bob = await remote.pseudonym(connection, "azure here", "bob")
        await remote.adopt(connection, "cloud", "azure here")
        assert await remote.galleries(connection) == ["azure here"]
        assert await remote.pseudonym(connection, "azure here", "bob") == bob
        assert await remote.sent(connection, "azure here") == {"ada": {"a" * 64: ""}}


async def test_what_was_sent_before_pseudonyms_is_known_by_the_ids_that_were_sent(tmp_path: Path) -> None:
    values = [f"('cloud', 'ada', '{number}', '', '2026-11-01 08:00:00.000000')" for number in (1, 2)]
    older_fras(tmp_path, "0007", f"INSERT INTO remote_portraits VALUES {', '.join(values)}")
    async with open_database(url_of(tmp_path)) as database, database.read() as connection:
        assert await remote.pseudonyms(connection, "cloud") == {"ada": "ada"}
        assert await remote.sent(connection, "cloud") == {"ada": {"1": "", "2": ""}}
