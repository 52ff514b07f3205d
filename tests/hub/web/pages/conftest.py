"""The panel of a small school, served over a real socket, and a reader of its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.pages import Browser, browsing
from tests.support.panel import Panel, panel_in, served


@pytest_asyncio.fixture
async def panel(tmp_path: Path) -> AsyncIterator[Panel]:
    async with panel_in(tmp_path) as made, served(made) as running:
        yield running


@pytest_asyncio.fixture
async def browser(panel: Panel) -> AsyncIterator[Browser]:
    async with browsing(panel) as reader:
        yield reader
