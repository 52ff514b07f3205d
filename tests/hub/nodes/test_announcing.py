"""What the hub announces when this machine's addresses change, or cannot be announced; test_discovery.py hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zeroconf import asyncio as library

from hub.nodes import announcing
from hub.nodes.announcing import announced
from hub.nodes.identity import Identity

ME = Identity(Path(), bytes(32), bytes(32))
PATIENCE = 20.0


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses of each announcement, and "closed" for its end."""
    said: list[Any] = []

    class Radio:
        def __init__(self, **options: Any) -> None: ...

        async def async_register_service(self, info: Any, allow_name_change: bool) -> None:
            said.append(info.parsed_addresses())

        async def async_close(self) -> None:
            said.append("closed")

    monkeypatch.setattr(library, "AsyncZeroconf", Radio)
    monkeypatch.setattr(announcing, "LOOK", 0.01)
    return said


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_another_address_is_announced_in_place_of_the_former(
    told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ["192.0.2.1"]
    monkeypatch.setattr(announcing, "_addresses", lambda: list(here))
    async with announced(ME, "", 8124):
        await until(lambda: told == [["192.0.2.1"]])
        here[:] = ["192.0.2.2", "198.51.100.1"]
        await until(lambda: len(told) == 3)
    assert told == [["192.0.2.1"], "closed", ["192.0.2.2", "198.51.100.1"], "closed"]


async def test_one_address_that_was_chosen_stays(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[None] = []
    monkeypatch.setattr(announcing, "_addresses", lambda: looked.append(None))
    async with announced(ME, "192.0.2.7", 8124):
        await until(lambda: told)
        await asyncio.sleep(0.1)
    assert told == [["192.0.2.7"], "closed"]
    assert looked == []


async def test_a_network_that_comes_late_is_announced_in(
    told: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried until it works, and said once that it does not."""
    caplog.set_level("INFO")
    tried: list[None] = []

    def addresses() -> list[str]:
        tried.append(None)
        if len(tried) < 5:
            raise OSError("network is unreachable")
        return ["192.0.2.1"]

    monkeypatch.setattr(announcing, "_addresses", addresses)
    async with announced(ME, "", 8124):
        await until(lambda: told == [["192.0.2.1"]])
    assert caplog.text.count("cannot be told by multicast DNS") == 1
