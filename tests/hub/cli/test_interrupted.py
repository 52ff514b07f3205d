"""Killed and stopped at any moment: every acknowledged frame is recognised exactly once, and stopping is quick."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.facts import asked
from tests.support.fras import School

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
FRAMES = 240
STOP_WITHIN = 5.0 + 1.0
"""Seconds: what the hub promises, and what a busy machine needs to notice."""


def film(school: School) -> None:
    """A frame a second; ada in every third, ada and bob in every fifth."""
    for number in range(FRAMES):
        people = ("ada", "bob") if number % 5 == 0 else ("ada",) if number % 3 == 0 else ()
        school.frame(f"f{number:03}.png", NINE + timedelta(seconds=number), *people)


FACES = sum(2 if number % 5 == 0 else 1 if number % 3 == 0 else 0 for number in range(FRAMES))


def ledger(data: Path) -> Counter[str]:
    return Counter(outcome for (outcome,) in asked(data.parent, "SELECT outcome FROM frames"))


def facts(data: Path) -> dict[str, int]:
    """What must come out the same however often the hub was killed."""

    def count(query: str) -> int:
        return int(asked(data.parent, query)[0][0])

    return {
        "frames": count("SELECT count(*) FROM frames"),
        "numbers": count("SELECT count(*) FROM (SELECT DISTINCT camera, epoch, seq FROM frames) AS numbers"),
        "pending": count("SELECT count(*) FROM frames WHERE outcome = 'pending'"),
        "rejected": count("SELECT count(*) FROM frames WHERE outcome = 'rejected'"),
        "observations": count("SELECT count(*) FROM observations"),
        "crops without a file": sum(
            not (data / "plugins/storage/local_disk" / key).is_file()
            for (key,) in asked(data.parent, "SELECT key FROM crops")
        ),
    }


def wait_for_frames(school: School, more_than: int, patience: float = 30) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if ledger(school.folder / "data").total() > more_than:
            return
        time.sleep(0.02)
    pytest.fail(f"not more than {more_than} frames within {patience} s")


def test_killed_at_random_moments_every_frame_is_recognised_exactly_once(school: School) -> None:
    school.enrol("ada", "bob")
    film(school)
    data = school.folder / "data"
    dice = random.Random(20261116)
    acknowledged = 0
    for _ in range(4):
        hub = school.spawn("run", "--until-done")
        wait_for_frames(school, min(acknowledged, FRAMES - 1))
        time.sleep(dice.uniform(0, 0.4))
        hub.kill()
        hub.communicate()
        now = ledger(data).total()
        assert now >= acknowledged, "an acknowledged frame is gone"
        acknowledged = now
    assert school.fras("run", "--until-done").code == 0
    assert facts(data) == {
        "frames": FRAMES,
        "numbers": FRAMES,
        "pending": 0,
        "rejected": 0,
        "observations": FACES,
        "crops without a file": 0,
    }
    assert list((data / "inbox").iterdir()) == []
    assert school.fras("audit", "verify").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_signal_stops_within_five_seconds_and_leaves_nothing_half_written(
    school: School, number: signal.Signals, after: float
) -> None:
    school.enrol("ada", "bob")
    film(school)
    hub = school.spawn("run")
    wait_for_frames(school, 0)
    time.sleep(after)
    start = time.monotonic()
    hub.send_signal(number)
    _, err = hub.communicate(timeout=30)
    assert time.monotonic() - start < STOP_WITHIN
    assert hub.returncode == 0, err
    assert "stopping" in err
    assert "Traceback" not in err
    data = school.folder / "data"
    waiting = ledger(data)["pending"]
    assert len(list((data / "inbox").iterdir())) == waiting, "a file for each frame that waits, and no other"


def test_a_signal_during_start_up_is_heeded(school: School) -> None:
    hub = school.spawn("run")
    time.sleep(1.0)
    hub.send_signal(signal.SIGTERM)
    _, err = hub.communicate(timeout=30)
    assert "Traceback" not in err


def test_enrolment_goes_on_after_ctrl_c(school: School) -> None:
    people = ("ada", "bob", "cem", "dee", "eve", "fay")
    folder = school.portraits(*people, count=30)
    enrolling = school.spawn("enroll", str(folder), "--consent", "granted", "--signed-by", "a parent", "--json")
    assert enrolling.stdout is not None
    enrolling.stdout.readline()
    enrolling.send_signal(signal.SIGINT)
    _, err = enrolling.communicate(timeout=30)
    assert enrolling.returncode == 1
    assert "stopped by Ctrl-C; what was finished is kept" in err
    assert "Traceback" not in err
    again = school.fras("enroll", str(folder), "--json")
    assert again.code == 0
    states = Counter(line["state"] for line in again.lines if "state" in line)
    assert states["known"] >= 30, "the first person was done"
    assert states.total() == 180
    assert {line["person"]: line["images"] for line in school.fras("people", "list", "--json").lines} == dict.fromkeys(
        people, 30
    )


def test_a_second_hub_on_the_same_data_refuses_and_reading_commands_do_not(school: School) -> None:
    school.enrol("ada")
    config = (school.folder / "hub.yaml").read_text("utf-8").replace("mode: once", "mode: watch")
    (school.folder / "hub.yaml").write_text(config, "utf-8")
    school.frame("f.png", NINE, "ada")
    hub = school.spawn("run")
    try:
        wait_for_frames(school, 0)
        second = school.fras("run")
        assert second.code == 1
        assert f"(process {hub.pid}); stop it first" in second.err
        assert school.fras("attendance", "--date", "2026-11-16").code == 0
        assert school.fras("people", "list").code == 0
        assert school.fras("identify", str(school.folder / "incoming")).code == 0
    finally:
        hub.send_signal(signal.SIGTERM)
        _, err = hub.communicate(timeout=30)
    assert hub.returncode == 0, err


def test_a_running_hub_knows_within_a_second_who_was_enrolled_and_who_withdrew(school: School) -> None:
    school.enrol("ada")
    config = (school.folder / "hub.yaml").read_text("utf-8").replace("mode: once", "mode: watch")
    (school.folder / "hub.yaml").write_text(config, "utf-8")
    hub = school.spawn("run")
    try:
        school.frame("1.png", NINE, "ada", "bob")
        wait_for_outcomes(school, 1)
        school.enrol("bob")
        school.fras("people", "consent", "ada", "withdrawn", "--signed-by", "ada")
        time.sleep(1)
        school.frame("2.png", NINE + timedelta(minutes=1), "ada", "bob")
        wait_for_outcomes(school, 2)
    finally:
        hub.send_signal(signal.SIGTERM)
        hub.communicate(timeout=30)
    assert named(school) == [["ada", None], [None, "bob"]]


def wait_for_outcomes(school: School, count: int, patience: float = 30) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if ledger(school.folder / "data")["recognised"] >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"not {count} frames recognised within {patience} s")


def named(school: School) -> list[list[str | None]]:
    """Who was seen in each frame, from left to right."""
    rows = asked(school.folder, "SELECT captured_at, person FROM observations ORDER BY captured_at, x")
    return [[person for at, person in rows if at == moment] for moment in sorted({at for at, _ in rows})]
