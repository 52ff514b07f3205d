"""The year that the bench of databases fills in has all that the hub's tables ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from benchmarks import year
from hub.db.engine import open_database
from hub.db.tables import crops, frames, marks, observations


async def test_a_small_school_has_its_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, least in (("CLASSES", 2), ("PUPILS", 3), ("LESSONS", 2), ("LENGTH", 10), ("DAYS", 5)):
        monkeypatch.setattr(year, name, least)
    settings = year.settings_in(tmp_path)
    async with open_database(f"sqlite:///{tmp_path}/fras.db") as database:
        made = await year.fill(database, settings)
        async with database.read() as connection:
            counted = {
                table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (marks, frames, observations, crops)
            }
    assert (len(made.persons), len(made.days), made.days[-1]) == (6, 5, year.TODAY)
    assert (counted["marks"], counted["frames"]) == (6 * 2 * 5, 2 * 2 * 10 * year.FACTS)
    assert 0 < counted["observations"] == counted["crops"] <= 6 * 2 * year.FACTS
