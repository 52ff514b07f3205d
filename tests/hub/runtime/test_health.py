"""What a person reads in the log, and what the panel is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from hub.plugin import NeedsHuman, NotReady, Permanent
from hub.runtime.health import Health, HealthKeeper, State


class HandClock:
    """Time that moves a second each time it is asked for."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def test_warning_once_going_down_info_once_coming_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keeper = HealthKeeper("door", HandClock())
    keeper.running()
    keeper.running()
    for message in ("cable", "cable", "switch"):
        keeper.down(NotReady(message))
    keeper.running()
    keeper.down(NotReady("cable"))
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "DEBUG", "DEBUG", "INFO", "WARNING"]
    assert {record.name for record in caplog.records} == {"fras.door"}


def test_needing_a_person_is_news_even_when_down_already(caplog: pytest.LogCaptureFixture) -> None:
    keeper = HealthKeeper("door", HandClock())
    keeper.down(NotReady("cable"))
    keeper.down(NeedsHuman("wrong password"))
    keeper.down(Permanent("wrong model"))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_since_is_when_the_state_began_and_errors_are_remembered() -> None:
    keeper = HealthKeeper("door", HandClock())
    keeper.down(NotReady("cable", hint="plug it in"))
    began = keeper.now.since
    keeper.down(NotReady("switch"))
    assert keeper.now.since == began
    assert (keeper.now.last_error, keeper.now.hint) == ("switch", "")
    keeper.running()
    assert keeper.now.since > began
    assert keeper.now.last_error == "switch"


def test_changes_are_told_and_only_changes() -> None:
    told: list[tuple[str, Health]] = []
    keeper = HealthKeeper("door", HandClock(), lambda *change: told.append(change))
    keeper.running()
    keeper.running()
    keeper.event()
    keeper.progress("looking around")
    keeper.progress("looking around")
    keeper.stopped()
    assert [(name, health.state, health.progress) for name, health in told] == [
        ("door", State.RUNNING, ""),
        ("door", State.RUNNING, "looking around"),
        ("door", State.STOPPED, ""),
    ]
    assert keeper.now.last_event_at is not None
