"""Whom cameras could recognise, as it is remembered when templates and embeddings are gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.db import consent, people, recognisable, templates
from hub.db.engine import Database, open_database
from hub.db.ledger import Look
from hub.db.people import Person
from hub.recognition.consent import Consent
from hub.recognition.models import combined
from tests.support.facts import at, older_fras, url_of

DAY = Look("m", at(100), at(200))


async def held(connection: AsyncConnection, person: str, model_id: str, since: float, until: float | None) -> None:
    """A template from `since` to `until`."""
    await templates.replace(connection, person, model_id, np.ones(3, np.float32), 1, at=at(since))
    if until is not None:
        await templates.remove(connection, person, model_id, at=at(until))


async def granted(connection: AsyncConnection, person: str, since: float, expires: float | None = None) -> None:
    await people.add(connection, Person(person, person))
    expires_at = None if expires is None else at(expires)
    await consent.append(
        connection, person=person, signer="x", state=Consent.GRANTED, at=at(since), expires_at=expires_at
    )


@pytest.mark.parametrize(
    ("since", "until", "counts"),
    [(100, None, True), (99, 201, True), (101, None, False), (0, 200, False), (0, 50, False), (300, None, False)],
)
async def test_only_a_template_held_all_the_while_counts(
    database: Database, since: float, until: float | None, counts: bool
) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await held(connection, "ada", "m", since, until)
        assert await recognisable.throughout(connection, [DAY]) == ({"ada"} if counts else set())


@pytest.mark.parametrize(
    ("granted_at", "expires", "withdrawn", "counts"),
    [
        (100, None, None, True),
        (101, None, None, False),
        (0, 201, None, True),
        (0, 200, None, False),
        (0, None, 201, True),
        (0, None, 150, False),
    ],
)
async def test_only_consent_that_stood_all_the_while_counts(
    database: Database, granted_at: float, expires: float | None, withdrawn: float | None, counts: bool
) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", granted_at, expires)
        await held(connection, "ada", "m", 0, None)
        if withdrawn is not None:
            await consent.append(
                connection, person="ada", signer="x", state=Consent.WITHDRAWN, at=at(withdrawn), notice_version=""
            )
        assert await recognisable.throughout(connection, [DAY]) == ({"ada"} if counts else set())


async def test_a_pause_in_consent_is_no_standing(database: Database) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await held(connection, "ada", "m", 0, None)
        for state, moment in ((Consent.WITHDRAWN, 140), (Consent.GRANTED, 160)):
            await consent.append(connection, person="ada", signer="x", state=state, at=at(moment))
        assert await recognisable.throughout(connection, [DAY]) == set()
        assert await recognisable.throughout(connection, [Look("m", at(160), at(170))]) == {"ada"}


async def test_the_model_that_looked_is_the_one_that_counts(database: Database) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await granted(connection, "bob", 0)
        await held(connection, "ada", "m", 0, None)
        await held(connection, "ada", "n", 0, None)
        await held(connection, "bob", "n", 0, None)
        assert await recognisable.throughout(connection, [DAY]) == {"ada"}
        assert await recognisable.throughout(connection, [DAY, Look("n", at(150), at(250))]) == {"ada"}
        assert await recognisable.throughout(connection, [Look(None, at(100), at(200))]) == {"ada", "bob"}
        assert await recognisable.throughout(connection, []) == set()


async def test_a_template_made_while_the_clock_was_ahead_counts_once_it_is_right_again(database: Database) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await held(connection, "ada", "m", 10_000, None)
        await held(connection, "ada", "m", 50, None)
        assert await recognisable.throughout(connection, [DAY]) == {"ada"}


async def test_taken_away_and_given_again_in_one_moment(database: Database) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await held(connection, "ada", "m", 50, 50)
        await held(connection, "ada", "m", 50, None)
        assert await recognisable.throughout(connection, [DAY]) == {"ada"}


async def test_nothing_is_left_of_a_person_who_goes(database: Database) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        await held(connection, "ada", "m", 0, 50)
        await people.remove(connection, "ada")
        assert (await connection.exec_driver_sql("SELECT count(*) FROM template_spans")).scalar() == 0


@pytest.mark.sqlite
async def test_templates_from_before_there_were_spans(tmp_path: Path) -> None:
    older_fras(tmp_path, "0001")
    with closing(sqlite3.connect(tmp_path / "fras.db")) as old:
        (here,) = old.execute("SELECT id FROM school").fetchone()
        for person in ("ada", "bob"):
            old.execute(
                "INSERT INTO people (id, school_id, name, created_at) VALUES (?, ?, 'x', '2026-01-01')", (person, here)
            )
            old.execute("INSERT INTO templates VALUES (?, 'm', x'00', 1, '2026-11-23 09:00:00.000000')", (person,))
        old.execute(
            "INSERT INTO enrolment_images (id, person, source_sha256, model_id, state, reason, embedding, created_at)"
            " VALUES (?, 'ada', 'a', 'm', 'accepted', '', x'00', ?)",
            ("0" * 32, f"{at(150):%Y-%m-%d %H:%M:%S.%f}"),
        )
        old.commit()
    async with open_database(url_of(tmp_path)) as database, database.write() as connection:
        for person in ("ada", "bob"):
            await granted(connection, person, 0)
        assert await recognisable.throughout(connection, [DAY]) == {"bob"}
        assert await recognisable.throughout(connection, [Look("m", at(150), at(200))]) == {"ada", "bob"}


@pytest.mark.parametrize(("models", "counts"), [("m", False), ("mn", True), ("mo", False), ("mno", True)])
async def test_of_an_ensemble_so_many_must_have_held_it(database: Database, models: str, counts: bool) -> None:
    async with database.write() as connection:
        await granted(connection, "ada", 0)
        for model in models:
            await held(connection, "ada", model, 0, None)
        look = Look(combined(["m", "n", "x"], 2), at(100), at(200))
        assert await recognisable.throughout(connection, [look]) == ({"ada"} if counts else set())
