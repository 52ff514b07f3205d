"""A site to ask: a lecture filmed and recognised, its hub running."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fras import School
from tests.support.site import Site, site_of


@pytest_asyncio.fixture
async def site(filmed: School) -> AsyncIterator[Site]:
    async with site_of(filmed) as opened:
        yield opened
