"""Times and vectors come back as they went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from hub.db.engine import Database
from hub.db.tables import heartbeats, outbox

moments = st.datetimes(timezones=st.just(UTC))


@given(st.sets(moments, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_times_keep_their_order_and_their_microseconds(database: Database, times: set[datetime]) -> None:
    async with database.write() as connection:
        await connection.execute(heartbeats.delete())
        rows = [{"camera": "c", "until": time, "received_at": time} for time in times]
        await connection.execute(heartbeats.insert(), rows)
        stored = (await connection.execute(select(heartbeats.c.until).order_by(heartbeats.c.until))).scalars().all()
        pivot = min(times)
        equal = await connection.execute(select(heartbeats.c.until).where(heartbeats.c.until == pivot))
        assert equal.scalars().all() == [pivot]
    assert stored == sorted(times)
    assert all(time.tzinfo is UTC for time in stored)


async def test_other_zones_become_utc(database: Database) -> None:
    local = datetime(2026, 11, 23, 9, tzinfo=timezone(timedelta(hours=1)))
    async with database.write() as connection:
        await connection.execute(outbox.insert(), [{"at": local, "kind": "k", "payload": {}}])
        assert (await connection.execute(select(outbox.c.at))).scalar() == local


async def test_naive_times_are_refused(database: Database) -> None:
    naive = datetime(2026, 11, 23, 9, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(StatementError, match="has no time zone"):
        async with database.write() as connection:
            await connection.execute(outbox.insert(), [{"at": naive, "kind": "k", "payload": {}}])
    with pytest.raises(StatementError, match="has no time zone"):
        async with database.read() as connection:
            await connection.execute(select(outbox).where(outbox.c.at < naive))


def test_vectors_are_float32_of_either_byte_order() -> None:
    from hub.db.types import Float32Vector

    kind = Float32Vector()
    vector = np.array([1.5, -0.1, 3e-7], dtype=">f8")
    stored = kind.process_bind_param(vector, None)  # type: ignore[arg-type]
    back = kind.process_result_value(stored, None)  # type: ignore[arg-type]
    assert back is not None
    assert back.dtype == np.float32
    assert np.array_equal(back, vector.astype(np.float32))
