"""A transaction may be cancelled at any point: the next one can write."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from sqlalchemy import text

from hub.db.engine import Database, open_database
from tests.support.facts import url_of


async def write_and_read(database: Database) -> None:
    while True:
        async with database.write() as connection:
            await connection.execute(text("UPDATE school SET name = 'x'"))
            await connection.execute(text("SELECT 1"))
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_cancelled_transaction_lets_go_of_the_write_lock(tmp_path: Path) -> None:
    dice = random.Random(20261116)
    async with open_database(url_of(tmp_path)) as database:
        for _ in range(60):
            tasks = [asyncio.create_task(write_and_read(database)) for _ in range(3)]
            await asyncio.sleep(dice.uniform(0.001, 0.02))
            for task in tasks:
                task.cancel()
            cancelled = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(error) for error in cancelled} == {asyncio.CancelledError}
            async with asyncio.timeout(5), database.write() as connection:
                await connection.execute(text("UPDATE school SET name = 'y'"))
