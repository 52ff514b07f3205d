"""A school moves from one kind of database to the other and back."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from hub.app import Paths, copy_database, open_school
from hub.cli.commands import fras
from hub.db.engine import WRITERS
from hub.lock import DataFolderInUse, lock_data_folder
from tests.support import postgres
from tests.support.fras import HUB_YAML, ROOT, Answer, School

pytestmark = pytest.mark.sqlite

ROWS = 10_000
"""As many as take long enough to be killed over."""


def on(school: School, database: str) -> None:
    """Writes hub.yaml with that database."""
    text = HUB_YAML.replace("hub: {", f'hub: {{database: "{database}", ', 1)
    (school.folder / "hub.yaml").write_text(text, "utf-8")


def tables(url: str) -> int:
    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    return int(postgres.server().sql(query, url.rpartition("/")[2]))


@dataclass(frozen=True)
class Seen:
    """What staff see of a school."""

    register: str
    people: str
    audit: str


def seen(school: School) -> Seen:
    audit = school.fras("audit", "verify")
    assert audit.code == 0, audit.err
    register = school.fras("attendance", "--date", "2026-11-16", "--json")
    return Seen(register.out, school.fras("people", "list", "--json").out, audit.err)


def test_to_a_server_and_back(filmed: School) -> None:
    there = postgres.database_of(filmed.folder)
    before = seen(filmed)
    moved = filmed.fras("db", "copy", there, "--json")
    assert moved.code == 0, moved.err
    assert f'database: "{there}"' in moved.err
    counts = {line["table"]: line["rows"] for line in moved.lines}
    assert (counts["people"], counts["frames"], counts["school"]) == (5, 104, 1)
    assert min(counts[name] for name in ("consent_events", "templates", "observations", "sightings", "marks")) > 0
    on(filmed, there)
    assert seen(filmed) == before
    back = filmed.fras("db", "copy", "sqlite:///again.db", "--json")
    assert back.code == 0, back.err
    assert back.lines == moved.lines
    on(filmed, "sqlite:///again.db")
    assert seen(filmed) == before
    assert (filmed.folder / "data" / "again.db").stat().st_mode & 0o777 == 0o600


def test_a_killed_copy_leaves_nothing_and_the_next_succeeds(filmed: School) -> None:
    there = postgres.database_of(filmed.folder)
    with closing(sqlite3.connect(filmed.folder / "data" / "fras.db")) as file:
        rows = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT i FROM n"
        file.execute(
            "INSERT INTO heartbeats (camera, until, received_at) SELECT 'door', printf("
            f"'2026-01-01 08:00:00.%06d', i), '2026-01-01 08:00:00.000000' FROM ({rows})"
        )
        file.commit()
    killed_in_the_middle(filmed, there)
    assert tables(there) == 0
    answer = filmed.fras("db", "copy", there, "--json")
    assert answer.code == 0, answer.err
    assert next(line["rows"] for line in answer.lines if line["table"] == "heartbeats") >= ROWS
    on(filmed, there)
    killed_in_the_middle(filmed, "sqlite:///back.db")
    with closing(sqlite3.connect(filmed.folder / "data" / "back.db")) as file:
        assert file.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    assert filmed.fras("db", "copy", "sqlite:///back.db", "--json").lines == answer.lines


def killed_in_the_middle(school: School, target: str) -> None:
    running = school.spawn("db", "copy", target)
    assert running.stderr is not None
    while "copying heartbeats" not in (line := running.stderr.readline()):
        assert line, "it ended before it came to the large table"
    running.kill()
    running.communicate(timeout=30)
    assert running.returncode == -signal.SIGKILL


def test_ctrl_c_leaves_nothing(filmed: School) -> None:
    """While another session holds what the copy waits for."""
    there = postgres.database_of(filmed.folder)
    server = postgres.server()
    words = [server.programs / "psql", there, "-c", f"SELECT pg_advisory_lock({WRITERS}), pg_sleep(60)"]
    holder = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        name = there.rpartition("/")[2]
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = "
        until(lambda: server.sql(f"{waiting}'PgSleep'") == "1")
        running = filmed.spawn("db", "copy", there)
        until(lambda: server.sql(f"{waiting}'advisory'") == "1")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    finally:
        holder.kill()
        holder.wait()
    assert (running.returncode, "stopped by Ctrl-C" in err, "Traceback" in err) == (1, True, False)
    assert tables(there) == 0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def piped(school: School, text: str) -> Answer:
    words = ["db", "copy", "-", "-c", str(school.folder / "hub.yaml")]
    result = CliRunner().invoke(fras(words), words, input=text)
    return Answer(result.exit_code, result.stdout, result.stderr)


def test_a_password_is_asked_for_and_never_shown(filmed: School) -> None:
    there = postgres.database_of(filmed.folder)
    secret = there.replace("fras@", "fras:hunter2@")
    for url in (secret, f"{there}?password=hunter2"):
        refused = filmed.fras("db", "copy", url)
        assert (refused.code, "a password in a command can be" in refused.err) == (2, True)
        assert "hunter2" not in refused.err
    assert tables(there) == 0
    for url in (secret.replace(there.rpartition("/")[2], "nobodys"), "postgresql://fras:hunter2@127.0.0.1:1/fras"):
        answer = piped(filmed, url + "\n")
        assert (answer.code, "hunter2" in answer.out + answer.err) == (1, False)
    answer = piped(filmed, f"{secret}\n")
    assert (answer.code, "database: !secret fras_database" in answer.err) == (0, True), answer.err
    assert "hunter2" not in answer.out + answer.err
    nothing = piped(filmed, "")
    assert (nothing.code, "no URL was given" in nothing.err) == (2, True)


WRONG = {
    "mysql://h/d": "databases of the kind 'mysql' are not supported; use sqlite or postgresql",
    "fras": "not a database URL",
    "sqlite://": "a SQLite database needs a file",
    "sqlite:///fras.db": "fras.db is not empty; nothing was changed",
    "sqlite:////proc/no/fras.db": "cannot be written",
    "postgresql://fras@127.0.0.1:1/fras": "cannot be reached",
    "postgresql://fras@127.0.0.1:x/fras": "not a database URL",
    "postgresql://fras@127.0.0.1:1/fras?sslmod=require": "?sslmod= in the database's URL is not known",
    "postgresql://fras@127.0.0.1:1/fras?sslmode=none": "as its URL says: `sslmode` parameter must be one of",
}


@pytest.mark.parametrize("url", WRONG)
def test_where_nothing_can_be_copied_to(filmed: School, url: str) -> None:
    answer = filmed.fras("db", "copy", url)
    assert (answer.code, answer.out, WRONG[url] in answer.err) == (1, "", True), answer.err
    assert "Traceback" not in answer.err
    assert "fault of FRAS" not in answer.err


def test_while_a_hub_runs_or_before_it_ever_ran(school: School) -> None:
    with lock_data_folder(school.folder / "data"):
        answer = school.fras("db", "copy", "sqlite:///new.db")
        assert (answer.code, "a hub is already running" in answer.err) == (1, True)
    answer = school.fras("db", "copy", "sqlite:///new.db")
    assert (answer.code, "there is no database" in answer.err) == (1, True)
    assert not (school.folder / "data" / "new.db").exists()


def test_a_server_that_holds_a_school_is_left_alone(filmed: School) -> None:
    there = postgres.database_of(filmed.folder)
    assert filmed.fras("db", "copy", there).code == 0
    again = filmed.fras("db", "copy", there)
    assert (again.code, "is not empty; nothing was changed" in again.err) == (1, True)
    assert tables(there) > 20


def test_ctrl_c_instead_of_a_url_gives_the_terminal_back(school: School) -> None:
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "hub", "db", "copy", "-", "-c", str(school.folder / "hub.yaml")]
    running = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=ROOT)
    try:
        until(lambda: not termios.tcgetattr(slave)[3] & termios.ECHO)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 1
        assert termios.tcgetattr(slave)[3] & termios.ECHO
        assert b"Traceback" not in os.read(master, 10_000)
    finally:
        running.kill()
        os.close(slave)
        os.close(master)


async def test_no_hub_starts_while_its_file_is_copied(school: School) -> None:
    paths = Paths.of(school.folder / "hub.yaml", None)
    async with open_school(paths, own=True):
        with pytest.raises(DataFolderInUse):
            await copy_database(paths, "sqlite:///new.db", lambda message: None)
    refused: list[str] = []

    async def start() -> None:
        with pytest.raises(DataFolderInUse):
            async with open_school(paths, own=True):
                pass

    def begin(message: str) -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, start()).result()
        refused.append(message)

    await copy_database(paths, "sqlite:///new.db", begin)
    assert refused[-1].startswith("comparing")
    async with open_school(paths, own=True):
        pass
