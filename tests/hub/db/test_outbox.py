"""Events in order, and values the hub keeps for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text

from hub.attendance.records import Rules
from hub.db import outbox, settings
from hub.db.engine import Database
from hub.registers import Registers
from tests.support.facts import SetClock, at

LONG_AGO = datetime(2021, 1, 1, tzinfo=UTC)


async def test_events_follow_one_another(database: Database) -> None:
    async with database.write() as connection:
        assert await outbox.last(connection) == 0
        await outbox.append(connection, "frame", {"n": 1}, {"n": 2})
        await outbox.append(connection, "frame")
        await outbox.append(connection, "mark", {"n": "ü"})
    async with database.read() as connection:
        events = await outbox.after(connection, 0, 10)
        assert [(event.kind, event.payload) for event in events] == [
            ("frame", {"n": 1}),
            ("frame", {"n": 2}),
            ("mark", {"n": "ü"}),
        ]
        assert await outbox.after(connection, events[0].id, 1) == [events[1]]
        assert await outbox.last(connection) == events[2].id


async def test_ids_rise_even_after_trimming(database: Database) -> None:
    async with database.write() as connection:
        await outbox.append(connection, "frame", {}, {})
        last = await outbox.last(connection)
        await connection.execute(text("UPDATE outbox SET at = '2020-01-01 00:00:00.000000'"))
        await outbox.trim(connection, at(0))
        assert await outbox.after(connection, 0, 10) == []
        await outbox.append(connection, "frame", {})
        assert await outbox.last(connection) == last + 1


async def test_old_events_go_once_the_registers_show_them_and_the_newest_stays(database: Database) -> None:
    registers = Registers(database, [], {}, Rules(), ZoneInfo("UTC"), SetClock())
    async with database.write() as connection:
        await outbox.append(connection, "frame", *[{}] * 6)
        await connection.execute(text("UPDATE outbox SET at = '2020-01-01 00:00:00.000000' WHERE id <> 2"))
    assert await registers.forget_news(LONG_AGO) == 0, "nothing of it is in the registers yet"

    async def left() -> list[int]:
        async with database.read() as connection:
            return [event.id for event in await outbox.after(connection, 0, 10)]

    await registers.noted(4)
    assert await registers.forget_news(LONG_AGO) == 3
    assert await left() == [2, 5, 6]
    await registers.noted(6)
    assert await registers.forget_news(LONG_AGO) == 1
    assert await left() == [2, 6]


async def test_trimming_goes_by_batches(database: Database) -> None:
    async with database.write() as connection:
        await outbox.append(connection, "frame", *[{}] * 5)
        await connection.execute(text("UPDATE outbox SET at = '2020-01-01 00:00:00.000000'"))
        assert [await outbox.trim(connection, at(0), most=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_values_are_kept_and_replaced(database: Database) -> None:
    async with database.write() as connection:
        assert await settings.get(connection, "calibration") is None
        await settings.put(connection, "calibration", {"threshold": 0.6, "of": [1, 2]})
        await settings.put(connection, "calibration", {"threshold": 0.7})
        assert await settings.get(connection, "calibration") == {"threshold": 0.7}
