"""Azure Face's stand-in, and galleries there that are looked after without long pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.azure import FakeAzure, serving


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeAzure]:
    async with serving() as made:
        yield made


@pytest.fixture
def galleries_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK", 0.02), ("FIRST_RETRY", 0.05), ("LONGEST_RETRY", 0.1)):
        monkeypatch.setattr(f"hub.remote_galleries.{name}", seconds)
