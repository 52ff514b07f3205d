"""Whatever a row holds arrives, wherever it goes; what cannot arrive is refused whole."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, null, select, text
from sqlalchemy.exc import IntegrityError

from hub.db import consent, outbox, people, school, templates
from hub.db.copying import BATCH, copy
from hub.db.engine import Database, open_database
from hub.db.errors import DatabaseBehind, DatabaseError, DatabaseInUse
from hub.db.people import Person
from hub.db.tables import enrolment_images, heartbeats, metadata
from hub.db.tables import settings as kept
from hub.recognition.consent import Consent
from tests.support import postgres
from tests.support.facts import START, older_fras

pytestmark = pytest.mark.sqlite

NAMES = ["a", "B", "_", "Zoë", "zoe", "Ж", "\U0001f98a", "a b", "a-b", "-", "ä", "ab", "%s", ":x", "'"]
"""Languages order these in ways of their own."""
JSONS = [None, 0, 3.0, -7, 0.1, 1e300, "text", "12", "", True, [], {"b": [1.5, None], "a": "ä"}, "\U0001f98a", "a\\b"]


def sqlite_in(folder: Path, name: str = "fras.db") -> str:
    return f"sqlite:///{folder}/{name}"


def server_in(folder: Path) -> str:
    return postgres.database_of(folder)


def tables_of(url: str) -> int:
    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    return int(postgres.server().sql(query, url.rpartition("/")[2]))


async def fill(database: Database) -> None:
    """A row of every shape that might get lost on the way."""
    async with database.write() as connection:
        await school.rename(connection, "Größe 1")
        for name in NAMES:
            await people.add(connection, Person(name, name.upper(), None))
            await consent.append(connection, person=name, signer="x", state=Consent.GRANTED, at=START)
        await templates.replace(connection, "a", "m", np.array([0.1, -0.0, 1e-45], "float32"), 2, at=START)
        await connection.execute(
            insert(kept), [{"key": f"{number}", "value": value} for number, value in enumerate(JSONS)]
        )
        for number, quality in enumerate((null(), None, {"size": 1.0})):
            await connection.execute(
                insert(enrolment_images).values(
                    id=f"0190000{number}-0000-7000-8000-00000000000{number}",
                    person="B",
                    source_sha256=f"{number}",
                    model_id="m",
                    state="rejected",
                    reason="",
                    quality=quality,
                    created_at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                )
            )
        beats = [
            {"camera": "door", "until": START + timedelta(microseconds=number), "lens": lens, "received_at": START}
            for number, lens in enumerate([0.1, -0.0, None, 1 / 3, 5e-324, *range(2 * BATCH)])
        ]
        await connection.execute(insert(heartbeats), beats)
        for number in range(9):
            await outbox.append(connection, "test", {"number": number})
        await connection.execute(text("DELETE FROM outbox WHERE id > 5"))


async def held(url: str) -> dict[str, set[str]]:
    """Every value of every row, as Python has it; the database's own nulls apart from JSON's."""
    async with open_database(url, read_only=True) as database, database.read() as connection:
        found = {}
        for table in metadata.sorted_tables:
            rows = await connection.execute(select(table))
            found[table.name] = {repr([_python(value) for value in row]) for row in rows}
        missing = await connection.execute(text("SELECT count(*) FROM enrolment_images WHERE quality IS NULL"))
        return found | {"missing": {str(missing.scalar())}}


def _python(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return value + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value


async def test_every_value_arrives_and_comes_back(tmp_path: Path) -> None:
    here, there, back = sqlite_in(tmp_path), server_in(tmp_path), sqlite_in(tmp_path, "back.db")
    async with open_database(here) as database:
        await fill(database)
    sent = await copy(here, there)
    returned = await copy(there, back)
    assert sent == returned
    assert [each.table for each in sent] == [table.name for table in metadata.sorted_tables]
    assert len({each.sha256 for each in sent if each.rows}) == len([each for each in sent if each.rows]) > 5
    assert await held(here) == await held(there) == await held(back)
    assert (await held(here))["missing"] == {"1"}


@pytest.mark.parametrize("back", [False, True])
async def test_numbers_are_not_given_again_and_consent_stays_append_only(tmp_path: Path, back: bool) -> None:
    """Those who follow the events have seen number 9, which is gone."""
    urls = [sqlite_in(tmp_path), server_in(tmp_path)]
    source, target = reversed(urls) if back else urls
    async with open_database(source) as database:
        await fill(database)
    await copy(source, target)
    async with open_database(target) as database:
        async with database.write() as connection:
            await outbox.append(connection, "test", {})
            await consent.append(connection, person="B", signer="x", state=Consent.WITHDRAWN, at=START)
        async with database.read() as connection:
            assert await outbox.last(connection) == 10
            last = await connection.execute(text('SELECT max("order") FROM consent_events'))
            assert last.scalar() == len(NAMES) + 1
        with pytest.raises(IntegrityError, match="append-only"):
            async with database.write() as connection:
                await connection.execute(text("UPDATE consent_events SET state = 'granted'"))


async def test_a_new_school_of_which_nothing_is_known_yet(tmp_path: Path) -> None:
    async with open_database(sqlite_in(tmp_path)):
        pass
    rows = {each.table: each.rows for each in await copy(sqlite_in(tmp_path), server_in(tmp_path))}
    assert {name: count for name, count in rows.items() if count} == {"school": 1, "gallery_version": 1}
    async with open_database(server_in(tmp_path)) as database, database.write() as connection:
        await outbox.append(connection, "test", {})
    async with open_database(server_in(tmp_path)) as database, database.read() as connection:
        assert await outbox.last(connection) == 1


async def test_what_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with open_database(sqlite_in(tmp_path)) as database:
        await fill(database)
    name = server_in(tmp_path).rpartition("/")[2]
    postgres.server().sql("CREATE TABLE theirs (id int)", name)
    for target in (server_in(tmp_path), sqlite_in(tmp_path)):
        with pytest.raises(DatabaseError, match=r"is not empty; nothing was changed"):
            await copy(sqlite_in(tmp_path), target)
    assert tables_of(server_in(tmp_path)) == 1
    assert len((await held(sqlite_in(tmp_path)))["people"]) == len(NAMES)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with open_database(sqlite_in(tmp_path)):
        pass
    (tmp_path / "letter").write_text("Dear parents, " * 99)
    with pytest.raises(DatabaseError, match="is not a database"):
        await copy(sqlite_in(tmp_path), sqlite_in(tmp_path, "letter"))
    assert (tmp_path / "letter").read_text() == "Dear parents, " * 99


@pytest.mark.parametrize(
    ("table", "change"), [("people", "name = 'a' || char(0) || 'b'"), ("templates", "images = 1 << 40")]
)
async def test_what_the_server_cannot_keep_leaves_it_empty(tmp_path: Path, table: str, change: str) -> None:
    """What SQLite keeps all the same, as somebody's own tool may have written it."""
    async with open_database(sqlite_in(tmp_path)) as database:
        await fill(database)
    with closing(sqlite3.connect(tmp_path / "fras.db")) as file:
        file.execute(f"UPDATE {table} SET {change}")
        file.commit()
    with pytest.raises(DatabaseError, match=f"does not take the rows of the table {table}"):
        await copy(sqlite_in(tmp_path), server_in(tmp_path))
    assert tables_of(server_in(tmp_path)) == 0


@pytest.mark.parametrize("step", ["copying templates", "comparing people"])
async def test_a_server_that_stops_in_the_middle_is_said(tmp_path: Path, step: str) -> None:
    async with open_database(sqlite_in(tmp_path)) as database:
        await fill(database)
    name = server_in(tmp_path).rpartition("/")[2]

    def cut(message: str) -> None:
        if message.startswith(step):
            query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            assert postgres.server().sql(query) == "t"

    with pytest.raises(DatabaseError, match=f"{name} (is being|has lost|refused).*(try|tried) again"):
        await copy(sqlite_in(tmp_path), server_in(tmp_path), cut)
    assert tables_of(server_in(tmp_path)) == 0


@pytest.mark.parametrize("back", [False, True])
async def test_rows_that_refer_to_nothing_are_refused(tmp_path: Path, back: bool) -> None:
    async with open_database(sqlite_in(tmp_path)) as database:
        await fill(database)
    with closing(sqlite3.connect(tmp_path / "fras.db")) as file:
        file.execute("UPDATE templates SET person = 'nobody'")
        file.commit()
    target = sqlite_in(tmp_path, "new.db") if back else server_in(tmp_path)
    with pytest.raises(DatabaseError, match=r"references of its table templates|rows of the table templates"):
        await copy(sqlite_in(tmp_path), target)
    if not back:
        assert tables_of(target) == 0


async def test_an_older_database_is_brought_up_to_date_first(tmp_path: Path) -> None:
    older_fras(tmp_path, "0004")
    with pytest.raises(DatabaseBehind, match="run fras run once"):
        await copy(sqlite_in(tmp_path), server_in(tmp_path))
    assert tables_of(server_in(tmp_path)) == 0


async def test_the_copy_is_of_one_moment(tmp_path: Path) -> None:
    """Somebody writes into the source all the while; the copy is what it was when the copy began."""
    async with open_database(sqlite_in(tmp_path)) as database:
        await fill(database)

        def write_on(message: str) -> None:
            if message == "copying cameras":  # nothing has been read yet
                return
            with closing(sqlite3.connect(tmp_path / "fras.db")) as file:
                file.execute("INSERT INTO outbox (at, kind, payload) VALUES ('2026-11-23 08:00:00.000000', 'x', '{}')")
                file.commit()

        sent = await copy(sqlite_in(tmp_path), server_in(tmp_path), write_on)
    assert next(each.rows for each in sent if each.table == "outbox") == 5


async def test_a_database_on_which_a_hub_runs_on_some_machine_is_not_copied(tmp_path: Path) -> None:
    async with open_database(server_in(tmp_path), own=True):
        with pytest.raises(DatabaseInUse, match=r"a hub is already running on .*; stop it first"):
            await copy(server_in(tmp_path), sqlite_in(tmp_path))
    assert {each.table: each.rows for each in await copy(server_in(tmp_path), sqlite_in(tmp_path))}["school"] == 1


async def test_no_hub_starts_on_the_server_while_its_database_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.db.holding.HANDOVER_SECONDS", 0.1)
    async with open_database(server_in(tmp_path), own=True) as database:
        await fill(database)
    refused: list[str] = []

    async def start() -> None:
        with pytest.raises(DatabaseInUse) as said:
            async with open_database(server_in(tmp_path), own=True):
                pass
        refused.append(str(said.value))

    def begin(message: str) -> None:
        if message.startswith(("copying cameras", "copying heartbeats", "comparing people")):
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(asyncio.run, start()).result()

    await copy(server_in(tmp_path), sqlite_in(tmp_path), begin)
    assert len(refused) == len([said for said in refused if "fras db copy is reading the database" in said]) == 3
    async with open_database(server_in(tmp_path), own=True):
        pass
