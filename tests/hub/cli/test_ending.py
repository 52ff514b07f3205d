"""A command asked to end does so within five seconds, at any moment and whatever hangs, without a traceback."""

from __future__ import annotations

import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import pytest

from tests.support.distributions import install
from tests.support.facts import asked
from tests.support.fras import ROOT, School

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
STOP_WITHIN = 5.0 + 1.0
"""Seconds: what is promised, and what a busy machine needs to notice."""

Spawn: TypeAlias = Callable[..., subprocess.Popen[str]]

STUBBORN = '''
"""Cameras and a recogniser that will not end."""
import asyncio, time
from contextlib import asynccontextmanager
from hub.plugin import CameraSpec, RecognizerSpec, hookimpl

class Deaf:
    async def events(self):
        print("begun", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
        yield

class Blocking:
    async def events(self):
        print("begun", flush=True)
        time.sleep(60)
        yield

@asynccontextmanager
async def deaf(config, context):
    yield Deaf()

@asynccontextmanager
async def blocking(config, context):
    yield Blocking()

@asynccontextmanager
async def slow(config, context):
    print("begun", flush=True)
    await context.run_blocking(time.sleep, 60)
    yield

@hookimpl
def fras_plugins():
    specs = [CameraSpec(name="deaf", config_schema={}, open=deaf),
             CameraSpec(name="blocking", config_schema={}, open=blocking),
             RecognizerSpec(name="slow", config_schema={}, open=slow)]
    return [spec for spec in specs if spec.name == __name__]
'''


def configured(school: School, camera: str = "folder", recogniser: str = "colours") -> School:
    for name in ("deaf", "blocking", "slow"):
        if name in (camera, recogniser):
            install(school.site, f"fras-{name}", name, STUBBORN)
    text = (school.folder / "hub.yaml").read_text("utf-8").replace("platform: colours", f"platform: {recogniser}")
    if camera != "folder":
        text = text.replace("platform: folder", f"platform: {camera}").replace(", path: incoming, mode: once", "")
    (school.folder / "hub.yaml").write_text(text, "utf-8")
    return school


@pytest.fixture
def spawned(school: School) -> Iterator[Spawn]:
    """Starts `fras`, and kills what a failed test leaves."""
    processes: list[subprocess.Popen[str]] = []

    def spawn(*words: str) -> subprocess.Popen[str]:
        processes.append(school.spawn(*words))
        return processes[-1]

    yield spawn
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[float, str]:
    started = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    return time.monotonic() - started, err


def wait_until_begun(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said, _, _ = select.select([process.stdout], [], [], 30)
    assert said, "nothing within 30 s"
    assert "begun" in process.stdout.readline()


@pytest.mark.parametrize("words", [["run"], ["run", "--until-done"]])
def test_a_camera_that_swallows_its_cancellation_is_left_behind(
    school: School, spawned: Spawn, words: list[str]
) -> None:
    configured(school, camera="deaf")
    hub = spawned(*words)
    wait_until_begun(hub)
    took, err = stop(hub)
    assert (hub.returncode, took < STOP_WITHIN) == (0, True), (took, err)
    assert "stopped; frames: none" in err
    assert "does not stop and is abandoned" in err
    assert "Traceback" not in err


def test_a_camera_that_blocks_everything_is_left_behind(school: School, spawned: Spawn) -> None:
    configured(school, camera="blocking")
    hub = spawned("run")
    wait_until_begun(hub)
    took, err = stop(hub)
    assert (hub.returncode, took < STOP_WITHIN) == (1, True), (took, err)
    assert "left at once, for something did not end; what was finished is kept" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recogniser_that_is_being_built_holds_nobody_up(
    school: School, spawned: Spawn, number: signal.Signals
) -> None:
    portraits = school.portraits("ada")
    configured(school, recogniser="slow")
    enrolling = spawned("enroll", str(portraits), "--consent", "granted", "--signed-by", "x")
    wait_until_begun(enrolling)
    took, err = stop(enrolling, number)
    assert (enrolling.returncode, took < STOP_WITHIN) == (1, True), (took, err)
    assert "what was finished is kept" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_modules_are_imported(school: School, number: signal.Signals) -> None:
    """The command has not begun: it says so and is gone."""
    program = f"""
import builtins, os, sys
import hub.cli
real = builtins.__import__
def importing(name, *rest, **more):
    if name.startswith("sqlalchemy"):
        os.kill(os.getpid(), {int(number)})
    return real(name, *rest, **more)
builtins.__import__ = importing
sys.argv = ["fras", "people", "list", "-c", {str(school.folder / "hub.yaml")!r}]
hub.cli.main()
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (1, "fras: stopped\n")
    assert not (school.folder / "data").exists()


def test_signals_at_random_moments(school: School, spawned: Spawn) -> None:
    """Whatever is under way: no traceback, nothing half-written, and the next run finishes the work."""
    school.enrol("ada", "bob")
    for number in range(150):
        school.frame(f"f{number:03}.png", NINE + timedelta(seconds=number), *(["ada"] if number % 3 else []))
    portraits = school.portraits("cem", "dee", count=20, folder="more")
    commands = {
        "run": ["run"],
        "once": ["run", "--until-done"],
        "enroll": ["enroll", str(portraits), "--consent", "granted", "--signed-by", "x", "--json"],
        "identify": ["identify", "--json", str(school.folder / "incoming")],
    }
    dice = random.Random(20261116)
    for name in ("run", "enroll", "once", "run", "identify", "enroll", "once"):
        process = spawned(*commands[name])
        time.sleep(dice.uniform(0.7, 2.5))
        over = process.poll() is not None
        took, err = stop(process, dice.choice([signal.SIGINT, signal.SIGTERM]))
        assert took < STOP_WITHIN, (name, took, err)
        assert "Traceback" not in err, (name, err)
        assert "fault" not in err, (name, err)
        assert over or process.returncode in (0, 1, -signal.SIGTERM), (name, process.returncode, err)
        if (school.folder / "data/inbox").exists():
            assert len(list((school.folder / "data/inbox").iterdir())) == pending(school.folder / "data")
    assert school.fras(*commands["enroll"]).code == 0
    assert school.fras(*commands["once"]).code == 0
    assert school.fras("audit", "verify").code == 0
    data = school.folder / "data"
    assert asked(school.folder, "SELECT count(*), count(DISTINCT seq) FROM frames") == [(150, 150)]
    assert asked(school.folder, "SELECT count(*) FROM observations") == [(100,)]
    kept = {key for (key,) in asked(school.folder, "SELECT crop_key FROM enrolment_images WHERE crop_key IS NOT NULL")}
    kept |= {crop for (crop,) in asked(school.folder, "SELECT key FROM crops")}
    assert kept <= stored(data), "a row without its picture"


def pending(data: Path) -> int:
    found = asked(data.parent, "SELECT count(*) FROM frames WHERE outcome = 'pending'")
    return int(found[0][0]) if found else 0


def stored(data: Path) -> set[str]:
    storage = data / "plugins/storage/local_disk"
    return {str(file.relative_to(storage)) for file in storage.rglob("*.jpg")}
