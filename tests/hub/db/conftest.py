"""A real database in a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hub.db.engine import Database, open_database
from tests.support.facts import url_of


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(url_of(tmp_path)) as opened:
        yield opened
