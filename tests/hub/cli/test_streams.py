"""Standard streams that are closed, full, gone or in another encoding: a message at most, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.fras import ROOT, School

NINE = datetime(2026, 11, 16, 9, 3, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture
def seen(school: School) -> School:
    """ada in 40 frames, and one frame of nobody readable."""
    school.enrol("ada")
    for number in range(40):
        school.frame(f"陳{number:02}.png", NINE, "ada")
    return school


def shell(school: School, line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs `line` in bash, in the school's folder, where $FRAS is the command; fails when any part of a pipe does."""
    environment |= {"PYTHONPATH": os.pathsep.join([str(school.site), str(ROOT)])}
    environment["FRAS"] = f"{sys.executable} -m hub"
    command = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(command, cwd=school.folder, env=os.environ | environment, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "command",
    ["identify --json incoming", "identify incoming", "check --schema", "attendance --date 2026-11-16 --format csv"],
)
def test_a_reader_who_has_seen_enough_ends_the_command_silently(seen: School, command: str) -> None:
    ended = shell(seen, f"$FRAS {command} | head -c 1")
    assert ended.returncode in (0, 1)
    assert len(ended.stdout) == 1
    assert ended.stderr == b""


def test_progress_that_nobody_reads_stops_nothing(seen: School) -> None:
    """The hub goes on: a log that went away is no reason to miss anybody."""
    shell(seen, "$FRAS run --until-done 2>&1 | true")
    assert json.loads(shell(seen, "$FRAS attendance --date 2026-11-16 --json").stdout)["status"] == "present"


@pytest.mark.sqlite
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_let_no_file_take_their_place(seen: School, closed: str) -> None:
    before = (seen.folder / "data/fras.db").read_bytes()
    ended = shell(seen, f"$FRAS identify --json incoming {closed}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert (seen.folder / "data/fras.db").read_bytes()[:16] == before[:16] == b"SQLite format 3\0"
    assert not (seen.folder / "data/fault.log").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["identify --json incoming", "attendance --date 2026-11-16 --format csv"])
def test_a_full_disk_behind_stdout_is_said(seen: School, command: str) -> None:
    ended = shell(seen, f"$FRAS {command} > /dev/full")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"fras: No space left on device; ")
    assert ended.stderr.count(b"\n") == 1


def test_json_is_read_the_same_in_any_locale(seen: School) -> None:
    asked = "$FRAS identify --json incoming"
    expected = [f"incoming/陳{number:02}.png" for number in range(40)]
    for environment in ({"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}):
        ended = shell(seen, asked, **environment)
        assert ended.returncode == 0, ended.stderr
        assert [json.loads(line)["path"] for line in ended.stdout.splitlines()] == expected


def test_what_a_terminal_cannot_show_is_escaped(seen: School) -> None:
    ended = shell(seen, "$FRAS identify incoming", PYTHONIOENCODING="ascii")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(b"incoming/\\u967300.png: 1 face\n")


def test_colour_is_for_terminals_that_want_it(seen: School) -> None:
    """A pseudo-terminal shows colour, and none with NO_COLOR."""
    line = 'script -qec "$FRAS attendance --date 2026-11-16" /dev/null'
    if shell(seen, "command -v script").returncode:
        pytest.skip("no script(1) here")
    assert b"\x1b[1m" in shell(seen, line, TERM="xterm-256color").stdout
    plain = shell(seen, line, TERM="xterm-256color", NO_COLOR="1").stdout
    assert b"\x1b[3" not in plain
