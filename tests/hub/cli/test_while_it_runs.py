"""What the command line says of people reaches the hub that runs beside it within a second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.hub.cli.test_interrupted import ledger
from tests.support.facts import asked
from tests.support.fras import School
from tests.support.running import change, eventually, running

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
PROMISED = 1.0
"""Seconds after which a new frame must be judged by what a command has said."""


def test_enrolment_consent_and_removal_reach_a_running_hub(school: School) -> None:
    change(school, "mode: once", "mode: watch")
    signed = ("--signed-by", "a parent")
    with running(school) as hub:
        hub.says("running; Ctrl-C stops")
        school.enrol("ada", "bob")
        assert named(school, 1) == ["ada", "bob"]
        assert school.fras("people", "consent", "ada", "withdrawn", *signed).code == 0
        assert named(school, 2) == ["bob"]
        assert school.fras("people", "remove", "bob").code == 0
        assert named(school, 3) == []
        assert school.fras("people", "consent", "ada", "granted", *signed).code == 0
        school.enrol("ada", "bob")
        assert named(school, 4) == ["ada", "bob"]
        assert hub.stop() == 0


def named(school: School, number: int) -> list[str]:
    """Whom the hub names in a new frame of ada and bob, a second after the last command."""
    time.sleep(PROMISED)
    at = NINE + timedelta(minutes=number)
    school.frame(f"{number}.png", at, "ada", "bob")
    eventually("the frame is recognised", lambda: ledger(school.folder / "data")["recognised"] == number)
    newest = "captured_at = (SELECT max(captured_at) FROM frames)"
    return sorted(row[0] for row in asked(school.folder, f"SELECT person FROM observations WHERE {newest}") if row[0])
