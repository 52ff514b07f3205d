"""scripts/sizing runs, and docs/operations.md says what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_documentation_has_its_figures() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts/sizing"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    documented = (ROOT / "docs/operations.md").read_text("utf-8")
    measured = {
        name.strip(): int(size) for name, size in re.findall(r"([a-z ]+) (\d+)", done.stdout.partition("\n")[0])
    }
    for name, told in (("frame", r"frame (\d+) bytes"), ("face", r"face (\d+)"), ("heartbeat", r"heartbeat (\d+)"),
                       ("mark and sighting", r"mark with sighting (\d+)"), ("event", r"event (\d+)")):  # fmt: skip
        found = re.search(told, documented)
        assert found, name
        assert int(found[1]) == pytest.approx(measured[name], rel=0.15), name
    heading = done.stdout.splitlines()[2]
    assert heading in documented


def test_a_school_of_ones_own() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/sizing", "--people", "100", "--cameras", "2", "--keep", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| 100 | 2 | 2,160 |" in done.stdout
