"""Who is blamed when the event loop stands still."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hub.runtime.watchdog import Watchdog

BLOCKED_AFTER = 0.1


@pytest.fixture
def lobby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A plugin that blocks the loop."""
    (tmp_path / "fras_lobby.py").write_text(
        "import time\n\n\nasync def look(seconds):\n    time.sleep(seconds)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import fras_lobby  # type: ignore[import-not-found]

    yield fras_lobby
    del sys.modules["fras_lobby"]


async def settle() -> None:
    await asyncio.sleep(BLOCKED_AFTER)


async def test_a_blocking_plugin_is_named_once_an_episode(lobby: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Watchdog(lambda: {"fras_lobby": "lobby"}, blocked_after=BLOCKED_AFTER):
        for _ in range(2):
            await asyncio.create_task(lobby.look(0.5), name="plugin front-door")
            await settle()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith("plugin front-door blocks the event loop for 0.")
    assert "in fras_lobby.py, line 5, look" in warnings[0]
    assert "context.run_blocking" in warnings[0]
    assert "the event loop runs again after 0." in caplog.text


async def test_a_plugin_in_a_task_of_its_own_is_found_by_its_module(
    lobby: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    with Watchdog(lambda: {"fras_lobby": "lobby"}, blocked_after=BLOCKED_AFTER):
        await asyncio.create_task(lobby.look(0.4))
        await settle()
    assert "plugin lobby blocks the event loop" in caplog.text


async def test_the_hub_itself_is_not_blamed_on_a_plugin(caplog: pytest.LogCaptureFixture) -> None:
    async def deliver() -> None:
        time.sleep(0.4)

    with Watchdog(dict, blocked_after=BLOCKED_AFTER):
        await asyncio.create_task(deliver(), name="plugin front-door")
        await settle()
    assert "the hub's own code (task 'plugin front-door') blocks the event loop" in caplog.text
    assert "test_watchdog.py" in caplog.text


async def test_a_busy_loop_that_ticks_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with Watchdog(dict, blocked_after=0.5):
        for _ in range(20):
            time.sleep(0.02)
            await asyncio.sleep(0)
    assert caplog.text == ""
