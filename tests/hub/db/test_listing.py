"""Pages cost the same wherever they lie: no statement reads a whole table of facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.db import listing
from hub.db.engine import open_database
from tests.support.facts import START, url_of

UUID = "01a2047e-461d-7d42-b4f1-4453ad12e0b5"
DAY = (START, START + timedelta(days=1))
PAGE = {"limit": 100}

Asked = Callable[[AsyncConnection], Awaitable[Any]]

PAGES: dict[str, Asked] = {
    "observations of a day": lambda c: listing.observed(c, between=DAY, after=None, **PAGE),
    "and on": lambda c: listing.observed(c, between=DAY, after=(START, UUID), **PAGE),
    "at a camera": lambda c: listing.observed(c, between=DAY, camera="door", after=(START, UUID), **PAGE),
    "of a person": lambda c: listing.observed(c, person="ada", after=(START, UUID), **PAGE),
    "an observation": lambda c: listing.observation(c, UUID),
    "sightings of a day": lambda c: listing.sighted(c, date="2026-11-23", after=None, **PAGE),
    "sightings and on": lambda c: listing.sighted(c, date="2026-11-23", after=("ada", "door", START), **PAGE),
    "marks of a day": lambda c: listing.marked(c, date="2026-11-23", after=("l", "ada"), **PAGE),
    "of a lecture": lambda c: listing.marked(c, date="2026-11-23", lecture="l", after=None, **PAGE),
    "marks of a person": lambda c: listing.marked(c, person="ada", after=("l", "ada"), **PAGE),
    "people": lambda c: listing.people(c, after=("ada",), **PAGE),
    "enrolments of a person": lambda c: listing.enrolments(c, person="ada", after=(UUID,), **PAGE),
    "enrolments": lambda c: listing.enrolments(c, after=(UUID,), **PAGE),
    "a frame": lambda c: listing.frame(c, UUID),
    "a numbered frame": lambda c: listing.numbered(c, "door", 1, 2),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("name", PAGES)
async def test_no_page_reads_a_whole_table(name: str, tmp_path: Path) -> None:
    statements: list[str] = []
    async with open_database(url_of(tmp_path)) as database, database.read() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.set_trace_callback(statements.append)
        await PAGES[name](connection)
        await driver.set_trace_callback(None)
        asked = [statement for statement in statements if statement.startswith("SELECT")]
        assert asked
        for statement in asked:
            plan = [str(row) for row in await driver.execute_fetchall(f"EXPLAIN QUERY PLAN {statement}")]
            assert plan
            assert not [step for step in plan if "SCAN " in step], plan
