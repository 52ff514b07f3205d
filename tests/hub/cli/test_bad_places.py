"""Data folders, configurations and plugins that cannot be used: every command says so and ends with exit code 1."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.distributions import install
from tests.support.facts import asked
from tests.support.fras import Answer, School

NINE = datetime(2026, 11, 16, 9, 3, tzinfo=ZoneInfo("Europe/Berlin"))
COMMANDS = (
    ("run", "--until-done"),
    ("enroll", "portraits"),
    ("identify", "incoming"),
    ("attendance",),
    ("people", "list"),
    ("audit", "verify"),
    ("calibrate",),
)


@pytest.fixture
def ready(school: School, monkeypatch: pytest.MonkeyPatch) -> School:
    """ada is enrolled, and in a frame that has not been recognised."""
    monkeypatch.chdir(school.folder)
    school.enrol("ada")
    school.frame("f.png", NINE, "ada")
    return school


def every(school: School, *more: str) -> Iterator[tuple[str, Answer]]:
    for words in COMMANDS:
        yield words[0], school.fras(*words, *more)


def test_a_data_folder_that_is_a_file(ready: School) -> None:
    shutil.rmtree(ready.folder / "data")
    (ready.folder / "data").write_text("not a folder")
    for command, answer in every(ready):
        assert answer.code == 1, command
        assert f"the data folder {ready.folder}/data is a file, or lies below one; choose another" in answer.err, (
            command
        )
    for command, answer in every(ready, "--data", "data/below"):
        assert answer.code == 1, command
        assert f"the data folder {ready.folder}/data/below is a file, or lies below one" in answer.err, command
    assert (ready.folder / "data").read_text() == "not a folder"


@pytest.fixture
def small_disk(school: School) -> Iterator[Path]:
    """The data folder, on a file system of 24 MB."""
    data = school.folder / "data"
    data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", data], capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    yield data
    subprocess.run(["umount", "-l", data], check=True)


@pytest.mark.sqlite
def test_a_data_folder_that_may_not_be_written(small_disk: Path, ready: School) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for command, answer in every(ready):
        assert answer.code == 1, command
        assert str(small_disk) in answer.err, command
        assert "Read-only file system" in answer.err or "may read and write there" in answer.err, answer.err
        assert "a fault of FRAS" not in answer.err


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def a_third(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])


def text(file: Path) -> None:
    file.write_text("attendance")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_circle(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE attendance (name TEXT)")


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("spoil", "fact"),
    [
        (zeros, "is not a database, or it is damaged; restore a backup"),
        (a_third, "is damaged; stop the hub and restore a backup"),
        (text, "is not a database, or it is damaged; restore a backup"),
        (a_folder, "cannot be written: Is a directory"),
        (newer, "is at schema 9999, newer than"),
        (foreign, "was not made by FRAS; name another file"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_and_left_alone(
    ready: School, spoil: Callable[[Path], None], fact: str
) -> None:
    file = ready.folder / "data/fras.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    spoil(file)
    before = pages(file)
    for words in COMMANDS[:3]:
        answer = ready.fras(*words)
        assert answer.code == 1, words
        assert f"the database {file} {fact}" in answer.err
    assert ready.fras("people", "list").code == 1
    assert pages(file) == before


def pages(file: Path) -> bytes:
    """What the file holds beyond SQLite's header, in which a look leaves the way of writing."""
    return file.read_bytes()[100:] if file.is_file() else b""


def test_before_the_first_start_reading_commands_say_what_to_do(school: School) -> None:
    for words in (("people", "list"), ("attendance",), ("audit", "verify")):
        answer = school.fras(*words)
        assert answer.code == 1
        assert "start the hub once with fras run" in answer.err
    assert not (school.folder / "data").exists()


def test_a_disk_that_fills_up_loses_nothing_and_is_reported_once(small_disk: Path, school: School) -> None:
    school.enrol("ada")
    for number in range(120):
        school.frame(f"{number:03}.png", NINE + timedelta(seconds=number), "ada")
    hub = school.spawn("run", "--until-done")
    try:
        wait_for(lambda: count(small_disk, "recognised") >= 10)
        fill(small_disk / "filling")
        words = ("enroll", str(school.portraits("bob", "cem")), "--consent", "granted", "--signed-by", "x")
        answer = school.fras(*words)
        assert (answer.code, "free" in answer.err) == (1, True), answer.err
        time.sleep(4)
        assert hub.poll() is None, "it waits for room"
        (small_disk / "filling").unlink()
        _, err = hub.communicate(timeout=60)
    finally:
        if hub.poll() is None:
            hub.kill()
            hub.communicate()
    assert hub.returncode == 0, err
    assert err.count("no room left") <= 5, err
    assert count(small_disk, "recognised") == 120
    assert school.fras("audit", "verify").code == 0
    answer = school.fras(*words)
    assert answer.code == 0, answer.err


def fill(file: Path) -> None:
    opened = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(opened, bytes(4096)):
            pass
    except OSError:
        pass
    finally:
        os.close(opened)


def count(data: Path, outcome: str) -> int:
    found = asked(data.parent, f"SELECT count(*) FROM frames WHERE outcome = '{outcome}'")
    return int(found[0][0]) if found else 0


def wait_for(condition: Callable[[], bool], patience: float = 30) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"not within {patience} s"
        time.sleep(0.02)


def change(school: School, old: str, new: str) -> None:
    file = school.folder / "hub.yaml"
    before = file.read_text("utf-8")
    assert old in before
    file.write_text(before.replace(old, new), "utf-8")


@pytest.mark.parametrize("camera", ["storage", "recognizer", "local_disk", "colours"])
def test_a_camera_may_be_called_like_any_other_part(ready: School, camera: str) -> None:
    change(ready, "id: door", f"id: {camera}")
    answer = ready.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    assert "frames: 1 recognised" in answer.err
    assert sorted(path.name for path in (ready.folder / "data/plugins").iterdir()) == [
        "camera",
        "recognizer",
        "storage",
    ]
    assert [path.name for path in (ready.folder / "data/plugins/storage").iterdir()] == ["local_disk"]


def test_a_parked_camera_makes_a_run_fail_while_the_others_do_their_work(ready: School) -> None:
    change(ready, "cameras:\n", 'cameras:\n  - {platform: folder, id: lost, room: "5", path: gone, mode: once}\n')
    answer = ready.fras("run", "--until-done")
    assert answer.code == 1
    assert f"camera lost needs you: {ready.folder}/gone is not there; create it" in answer.err
    assert "frames: 1 recognised" in answer.err


NEEDY = '''
"""A recogniser that needs a person: when it is opened, or as soon as it is used."""
from contextlib import asynccontextmanager
from dataclasses import replace
from colours import Colours
from hub.plugin import NeedsHuman, RecognizerSpec, hookimpl

class Needy(Colours):
    async def analyse(self, pictures, *, mirror=False):
        raise NeedsHuman("the key is wrong", hint="put the right one into secrets.yaml")

@asynccontextmanager
async def open_needy(config, context):
    if config["when"] == "opened":
        raise NeedsHuman("the key is wrong", hint="put the right one into secrets.yaml")
    yield Needy()

@hookimpl
def fras_plugins():
    return [RecognizerSpec(name="needy", config_schema={"when": str}, open=open_needy)]
'''


@pytest.mark.parametrize("when", ["opened", "used"])
def test_a_recogniser_that_needs_a_person_ends_a_run_and_loses_nothing(ready: School, when: str) -> None:
    install(ready.site, "fras-needy", "needy", NEEDY)
    change(ready, "platform: colours", f"platform: needy, when: {when}")
    answer = ready.fras("run", "--until-done")
    assert answer.code == 1
    assert "fras: the key is wrong; put the right one into secrets.yaml" in answer.err
    change(ready, f"platform: needy, when: {when}", "platform: colours")
    answer = ready.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    assert "frames: 1 recognised" in answer.err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.unlink(), "hub.yaml: there is no such file"),
        (a_folder, "hub.yaml: this is not a file"),
        (a_circle, "hub.yaml: cannot be read (Too many levels of"),
        (a_pipe, "hub.yaml: this is not a file"),
        (lambda file: file.write_bytes(b"\xff\xfe\0"), "hub.yaml, line 1: byte 0xff is not UTF-8"),
        (lambda file: file.write_text(""), "hub.yaml, line 1: the file is empty"),
        (lambda file: file.write_text("hub: {"), "hub.yaml, line 1: the file ends too early"),
    ],
)
def test_a_configuration_that_cannot_be_read(ready: School, spoil: Callable[[Path], object], said: str) -> None:
    spoil(ready.folder / "hub.yaml")
    for command, answer in every(ready):
        assert answer.code == 1, command
        assert answer.err.startswith(said), command


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30", "tomorrow", ""])
def test_a_day_that_no_register_has(ready: School, day: str) -> None:
    answer = ready.fras("attendance", "--date", day)
    assert answer.code == 1
    assert "is not a date; write it as" in answer.err
